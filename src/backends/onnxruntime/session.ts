import { createRequire } from 'node:module';
import type { ModelDescription } from '../../model/description.js';
import { checkUnchanged } from '../../model/unchanged.js';
import { ProcessSession } from '../process/process-session.js';
import { type LoadRequest, ONNXRUNTIME } from './child-calls.js';

/** Package and version of the runtime, for example `onnxruntime-node 1.30.0`. */
export function runtimeVersion(): string {
  const { version } = createRequire(import.meta.url)('onnxruntime-node/package.json') as { version: string };
  return `onnxruntime-node ${version}`;
}

/**
 * A model in a child process that stays warm for as long as the session is open.
 *
 * @param signal ends the opening at once
 * @throws T2IError MODEL_INVALID, BACKEND_UNAVAILABLE, BACKEND_CRASHED, OUT_OF_MEMORY; the signal's reason when aborted
 */
export function openSession(
  model: ModelDescription,
  threads: number | undefined,
  signal?: AbortSignal,
): Promise<ProcessSession> {
  const load: LoadRequest = { model, threads };
  const check = () => checkUnchanged(model);
  return ProcessSession.open({ kind: ONNXRUNTIME, runtime: runtimeVersion, load, check }, signal);
}
