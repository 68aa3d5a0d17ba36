import { T2IError } from '../../errors.js';
import { callOnce } from '../process/call-once.js';
import { type LoadedAddon, loadAddon } from './addon.js';
import { TENSORRT_CHILD } from './child-calls.js';
import { searchOf } from './libraries.js';
import type { NativeDevices, NativeLibrary } from './native.js';

/** Why a part is not there, and what helps. */
export interface Missing {
  readonly reason: string;
  readonly hint: string;
}

/** All that TensorRT needs on this machine. */
export interface Inspection {
  readonly addon: { readonly path: string; readonly version: string } | Missing;
  /** Null without an addon. */
  readonly devices: NativeDevices | null;
  /** Every TensorRT that was found, the best first. */
  readonly libraries: readonly NativeLibrary[] | Missing;
}

/** Looks at everything; throws and crashes never. @param tensorrtLibDir searches this folder alone */
export async function inspect(tensorrtLibDir?: string): Promise<Inspection> {
  const loaded = tryLoadAddon();
  if ('reason' in loaded) return { addon: loaded, devices: null, libraries: loaded };
  const { addon, path } = loaded;
  const libraries = await findLibraries(tensorrtLibDir);
  return { addon: { path, version: addon.version }, devices: addon.devices(), libraries };
}

export function tryLoadAddon(): LoadedAddon | Missing {
  try {
    return loadAddon();
  } catch (error) {
    return toMissing(error);
  }
}

/**
 * Finds the TensorRT libraries in a child process: to say what a file is it must be opened, and one that is damaged or does not fit
 * this machine may crash whoever opens it.
 */
export async function findLibraries(tensorrtLibDir?: string): Promise<readonly NativeLibrary[] | Missing> {
  try {
    return await callOnce(TENSORRT_CHILD, (child) => child.call('libraries', searchOf(tensorrtLibDir)));
  } catch (error) {
    const { reason, hint } = toMissing(error);
    return { reason: `The TensorRT libraries could not be looked at: ${reason}`, hint };
  }
}

function toMissing(error: unknown): Missing {
  if (!T2IError.is(error)) throw error;
  return { reason: error.message, hint: error.hint ?? '' };
}
