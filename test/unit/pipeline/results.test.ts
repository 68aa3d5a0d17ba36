import { describe, expect, it, vi } from 'vitest';
import type { JobResult } from '../../../src/backends/backend.js';
import { optionsOfReceipt } from '../../../src/pipeline/receipts.js';
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

describe('the options of a receipt', () => {
  it.each([undefined, 5, {}, { version: 1, plan: {} }])('are not read from what is no receipt: %j', (receipt) => {
    expect(() => optionsOfReceipt(receipt as never)).toThrow(expect.objectContaining({ code: 'RECEIPT_INVALID' }));
  });
});

describe('an asynchronous listener that fails', () => {
  const broken = new Error('broken listener');
  const request = { prompt: 'a red apple', steps: 50, onStep: async () => Promise.reject(broken) };

  it('ends the request, as one that throws', async () => {
    await expect(memoryPipeline().pipeline.generate(request)).rejects.toBe(broken);
  });

  it('ends the loop over a stream', async () => {
    const read = async () => {
      for await (const _ of memoryPipeline().pipeline.stream(request));
    };
    await expect(read()).rejects.toBe(broken);
  });
});
