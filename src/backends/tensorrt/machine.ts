import { T2IError } from '../../errors.js';
import type { LoadOptions } from '../backend.js';
import type { LoadedAddon } from './addon.js';
import { findLibraries, type Missing, tryLoadAddon } from './inspect.js';
import { chooseLibrary, type WantedLibrary } from './libraries.js';
import type { NativeAddon, NativeDevice, NativeLibrary } from './native.js';

/** What a session runs on. */
export interface Machine {
  readonly addon: LoadedAddon;
  readonly device: NativeDevice;
  readonly library: NativeLibrary;
}

/**
 * Finds what a session needs, or says what is missing. What is cheap and safe is asked first: libraries are looked at only where
 * there is a device to use them on.
 */
export async function findMachine({ device: index = 0, tensorrtLibDir }: LoadOptions): Promise<Machine | Missing> {
  const addon = tryLoadAddon();
  if ('reason' in addon) return addon;
  const device = findDevice(addon.addon, index);
  if ('reason' in device) return device;
  const library = await findLibrary(tensorrtLibDir, { mustBuild: false, device });
  return 'reason' in library ? library : { addon, device, library };
}

export function findDevice(addon: NativeAddon, index: number): NativeDevice | Missing {
  const { available, reason, hint, devices } = addon.devices();
  if (!available) return { reason, hint };
  const known = devices.map((device) => `${device.index} (${device.name})`).join(', ');
  return (
    devices.find((device) => device.index === index) ?? {
      reason: `There is no GPU ${index}; there is ${known}`,
      hint: 'Leave out the option device, or name one of these.',
    }
  );
}

/** The best TensorRT that will do. */
export async function findLibrary(
  tensorrtLibDir: string | undefined,
  wanted: WantedLibrary,
): Promise<NativeLibrary | Missing> {
  const libraries = await findLibraries(tensorrtLibDir);
  if ('reason' in libraries) return libraries;
  const { chosen, others } = chooseLibrary(libraries, wanted);
  if (chosen !== null) return chosen;
  const reasons = others.map(({ library, reason }) => `${library.path}: ${reason}`);
  return {
    reason: reasons.length === 0 ? 'No TensorRT was found' : `No TensorRT will do: ${reasons.join('; ')}`,
    hint:
      wanted.runtime === 'tensorrt-rtx' ? RTX_HINT : (others.find(({ hint }) => hint !== null)?.hint ?? INSTALL_HINT),
  };
}

const INSTALL_HINT =
  'Install TensorRT, for example by `pip install tensorrt`, or name the folder of its libraries in T2I_TENSORRT_LIB_DIR.';

const RTX_HINT =
  'Install TensorRT-RTX, for example by `pip install tensorrt-rtx-cu13-libs`, or name the folder of its libraries in T2I_TENSORRT_LIB_DIR.';

/** @throws T2IError BACKEND_UNAVAILABLE where something is missing */
export function orThrow<T extends object>(found: T): Exclude<T, Missing> {
  if (!('reason' in found && 'hint' in found)) return found as Exclude<T, Missing>;
  throw new T2IError('BACKEND_UNAVAILABLE', `backend tensorrt cannot run here: ${found.reason}`, {
    hint: String(found.hint),
  });
}
