import type { ModelDescription } from '../../model/description.js';
import type { JobResult, Raster, StepEvent } from '../backend.js';
import { HashedNoise } from '../hashed-noise.js';
import type { QueuedJob } from '../job-queue.js';
import type { RuntimeProcess } from '../process/runtime-process.js';
import type { DrawRequest, PytorchService } from './child-calls.js';

/**
 * Has the child draw the images of a job one after the other. Their noise is drawn here, by the code of all backends: PyTorch's own
 * generator gives other bits on processors with other vector units.
 *
 * @throws T2IError BACKEND_FAILED, BACKEND_CRASHED, OUT_OF_MEMORY, DEVICE_LOST; the signal's reason when aborted
 */
export async function drawJob(
  { latentChannels }: ModelDescription,
  process: RuntimeProcess<PytorchService>,
  { job, signal, report }: QueuedJob,
): Promise<JobResult> {
  const start = performance.now();
  const { seeds, ...shared } = job;
  const images: Raster[] = [];
  const noiseSha256: string[] = [];
  const spent = { textEncoder: 0, unet: 0, vaeDecoder: 0 };
  for (const [image, seed] of seeds.entries()) {
    const noise = new HashedNoise(seed, latentChannels * job.latentHeight * job.latentWidth);
    const request: DrawRequest = { ...shared, noise: await noise.all(job.plan, signal) };
    const onEvent = report && ((event: Omit<StepEvent, 'image'>) => report({ image, ...event }));
    const { raster, timings } = await process.call('draw', request, onEvent);
    images.push(raster);
    const sha256 = noise.sha256();
    noiseSha256.push(sha256);
    for (const network of ['textEncoder', 'unet', 'vaeDecoder'] as const) spent[network] += timings[network];
    report?.({ image, raster, noiseSha256: sha256 });
  }
  return { images, noiseSha256, timings: { ...spent, total: performance.now() - start } };
}
