import type { ModelDescription } from '../../model/description.js';
import { checkUnchanged } from '../../model/unchanged.js';
import { ProcessSession } from '../process/process-session.js';
import { ONNXRUNTIME, type OnnxruntimeService } from './child-calls.js';
import { runtimeVersion } from './runtime.js';

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
): Promise<ProcessSession<OnnxruntimeService>> {
  return ProcessSession.open(
    {
      kind: ONNXRUNTIME,
      load: async (process) => {
        await process.call('load', { model, threads });
        return runtimeVersion();
      },
      check: () => checkUnchanged(model),
      run: (process, jobs) => jobs.map(({ job, report }) => process.call('run', job, report)),
    },
    signal,
  );
}
