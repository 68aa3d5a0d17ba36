import { expect, it, vi } from 'vitest';
import type { JobResult } from '../../../src/backends/backend.js';
import { memoryPipeline } from '../../support/memory-session.js';

it.each([
  ['an image', (result: JobResult) => ({ ...result, images: result.images.slice(1) })],
  ['the hash of its noise', (result: JobResult) => ({ ...result, noiseSha256: [] })],
])('a backend that leaves out %s is at fault', async (_, lessOf) => {
  const { pipeline, session } = memoryPipeline();
  const whole = session.generate.bind(session);
  vi.spyOn(session, 'generate').mockImplementation(async (job) => lessOf(await whole(job)));
  await expect(pipeline.generate({ prompt: 'a red apple', steps: 3 })).rejects.toMatchObject({ code: 'INTERNAL' });
});
