import { open, realpath, rm } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { builtEntry } from '../../../built-entry.js';
import { T2IError } from '../../../errors.js';
import { askForReport } from '../../../report-address.js';
import { callOnce } from '../../process/call-once.js';
import type { ProcessKind } from '../../process/runtime-process.js';
import type { NativeBuildOptions, NativeBuildProgress, NativeBuildResult } from '../native.js';
import type { EngineService, RunReply, RunRequest } from './engine-calls.js';
import { readExactly, temporaryName } from './engine-file.js';

const CHILD: ProcessKind<EngineService> = {
  entry: builtEntry(import.meta.url, 'engine-child.js'),
  runtime: 'TensorRT',
  installHint: 'Run `t2i doctor`, which shows every TensorRT and what keeps it from being used.',
};

export interface BuildControl {
  /** File of the addon, which the child loads itself. */
  readonly addon: string;
  /** Names the engine in messages, for example `unet`. */
  readonly label: string;
  /** Folder for the engine on its way here; nothing stays in it. */
  readonly dir: string;
  readonly signal: AbortSignal;
  readonly onProgress: (progress: NativeBuildProgress) => void;
}

/**
 * Builds an engine in a child process.
 *
 * @throws T2IError ENGINE_BUILD_FAILED, also where the child crashed; BACKEND_UNAVAILABLE, OUT_OF_MEMORY, IO_FAILED; the signal's reason,
 *   once the child is gone
 */
export async function buildInChild(options: NativeBuildOptions, control: BuildControl): Promise<NativeBuildResult> {
  const { addon, label, dir, signal, onProgress } = control;
  const output = join(dir, temporaryName('engine'));
  try {
    const kind = { ...CHILD, env: { LD_LIBRARY_PATH: await loaderPath(options.library) } };
    const reply = await callOnce(kind, (child) => child.call('build', { addon, options, output }, onProgress), signal);
    return { ...reply, serialized: await readWhole(output) };
  } catch (error) {
    throw T2IError.is(error) && error.code === 'BACKEND_CRASHED' ? crashed(label, error) : error;
  } finally {
    await rm(output, { force: true });
  }
}

/**
 * Runs an engine once in a child process, which checks its file again.
 *
 * @throws T2IError ENGINE_INVALID, OUT_OF_MEMORY, BACKEND_FAILED, BACKEND_CRASHED, DEVICE_LOST; the signal's reason
 */
export function runInChild(request: RunRequest, signal: AbortSignal): Promise<RunReply> {
  return callOnce(CHILD, (child) => child.call('run', request), signal);
}

/**
 * The loader's path with the folder of TensorRT first: 10.6 looks for its builder resource there and nowhere else (10.15 also in its own
 * folder), and the loader reads that path when a process starts.
 */
async function loaderPath(library: string): Promise<string> {
  // One that went away meanwhile is named by the child.
  const file = await realpath(library).catch(() => library);
  const folders = new Set([dirname(library), dirname(file)]);
  const { LD_LIBRARY_PATH: given } = process.env;
  return [...folders, ...(given ? [given] : [])].join(delimiter);
}

function crashed(label: string, error: T2IError): T2IError {
  return new T2IError('ENGINE_BUILD_FAILED', `The engine of ${label} could not be built: ${error.message}`, {
    hint: `SIGKILL often means that memory ran out: build on a machine with more, or for fewer images at once.${askForReport('any other end')}`,
    cause: error,
  });
}

/** `readFile` stops at 2 GiB. */
async function readWhole(path: string): Promise<Uint8Array> {
  const file = await open(path);
  try {
    return await readExactly(file, new Uint8Array((await file.stat()).size), 0, path);
  } finally {
    await file.close();
  }
}
