import type { ModelDescription } from '../../model/description.js';
import { checkUnchanged } from '../../model/unchanged.js';
import type { LoadOptions } from '../backend.js';
import { ProcessSession } from '../process/process-session.js';
import type { LoadRequest, PytorchService } from './child-calls.js';
import { drawJob } from './draw-job.js';
import { childOf, findInterpreter } from './interpreter.js';

/**
 * A model in a Python process that stays warm for as long as the session is open.
 *
 * @throws T2IError MODEL_INVALID, BACKEND_UNAVAILABLE, BACKEND_CRASHED, OUT_OF_MEMORY, DEVICE_LOST; the signal's reason when aborted
 */
export async function openSession(
  model: ModelDescription,
  options: LoadOptions,
): Promise<ProcessSession<PytorchService>> {
  const { device = 0, threads = null, python, signal } = options;
  const { dir, weights, nativeSize, latentChannels, scalingFactor, shiftFactor } = model;
  const imageSize = [nativeSize.height, nativeSize.width] as const;
  const load: LoadRequest = { dir, weights, imageSize, latentChannels, scalingFactor, shiftFactor, device, threads };
  return ProcessSession.open(
    {
      kind: childOf(await findInterpreter(python, signal)),
      load: async (process) => (await process.call('load', load)).runtime,
      check: () => checkUnchanged(model),
      run: (process, jobs) => jobs.map((queued) => drawJob(model, process, queued)),
    },
    signal,
  );
}
