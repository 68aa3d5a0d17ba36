import { describe, expect, it, vi } from 'vitest';
import { guidanceEmbedding } from '../../src/diffusion/guidance-embedding.js';
import { hashArrays } from '../../src/image/receipt.js';
import type { StepProgress, StreamEvent } from '../../src/pipeline/events.js';
import { optionsOfReceipt } from '../../src/pipeline/receipts.js';
import { memoryPipeline } from '../support/memory-session.js';

const request = { prompt: 'a red apple', steps: 3 };

describe('generate', () => {
  it('makes one image for each seed, in order, with a receipt that says so', async () => {
    const { pipeline } = memoryPipeline();
    const result = await pipeline.generate({ ...request, seeds: [9, 0, 9], width: 16 });
    expect(result.images.map(({ seed, width, height }) => [seed, width, height])).toEqual([
      [9, 16, 32],
      [0, 16, 32],
      [9, 16, 32],
    ]);
    const [first, second, third] = result.images;
    expect(first?.rgb).toEqual(third?.rgb);
    expect(first?.rgb).not.toEqual(second?.rgb);
    for (const { rgb, receipt } of result.images) expect(receipt.rgbSha256).toBe(hashArrays(rgb));
    expect(second?.receipt).toMatchObject({
      version: 1,
      prompt: 'a red apple',
      negativePrompt: '',
      seed: 0,
      guidanceScale: 7.5,
      plan: { sampler: 'ddim', steps: 3, sigmas: null, eta: 0 },
      model: { name: 'formula' },
      backend: { name: 'memory', runtime: 'formula 1.0' },
      sdk: expect.stringMatching(/^@t2i\/sdk \d+\.\d+\.\d+/),
    });
    expect(result).toMatchObject({ warnings: [], backend: { name: 'memory', tried: [] }, timings: { total: 6 } });
  });

  it('gives each seed its own image, whatever the number, the order and the load', async () => {
    const { pipeline } = memoryPipeline();
    const options = { ...request, sampler: 'euler-a' };
    const [alone, batch, reversed] = await Promise.all([
      pipeline.generate({ ...options, seed: 6 }),
      pipeline.generate({ ...options, seed: 5, n: 3 }),
      pipeline.generate({ ...options, seeds: [7, 6, 5] }),
    ]);
    expect(batch.images[1]?.receipt).toEqual(alone.images[0]?.receipt);
    expect(reversed.images.map(({ rgb }) => rgb)).toEqual(batch.images.map(({ rgb }) => rgb).reverse());
  });

  it('makes the same image again from its receipt, with every option that decides it', async () => {
    const { pipeline } = memoryPipeline();
    const all = {
      prompt: 'x',
      negativePrompt: 'y',
      guidanceScale: 3.3,
      steps: 4,
      width: 16,
      height: 24,
      seed: 2 ** 53 - 1,
    };
    for (const special of [
      { sampler: 'ddim', eta: 0.7 },
      { sampler: 'dpmpp-2m', sigmas: 'karras' as const },
      { sampler: 'euler' },
    ]) {
      const [image] = (await pipeline.generate({ ...all, ...special })).images;
      const [again] = (await pipeline.generate(optionsOfReceipt(image!.receipt))).images;
      expect(again?.receipt).toEqual(image?.receipt);
      expect(again?.rgb).toEqual(image?.rgb);
    }
  });

  it('tells apart plans and noise in the receipt', async () => {
    const { pipeline } = memoryPipeline();
    const receipts = [];
    for (const change of [{}, { steps: 4 }, { sampler: 'euler' }, { eta: 0.5 }]) {
      receipts.push((await pipeline.generate({ ...request, seed: 1, ...change })).images[0]!.receipt);
    }
    expect(new Set(receipts.map(({ plan }) => plan.sha256)).size).toBe(4);
    // More steps of a sampler without fresh noise start from the same noise.
    expect(receipts[1]?.noiseSha256).toBe(receipts[0]?.noiseSha256);
    expect(receipts[3]?.noiseSha256).not.toBe(receipts[0]?.noiseSha256);
  });

  it('asks for no negative forward where guidance is off, and warns of a negative prompt without effect', async () => {
    const { pipeline, session } = memoryPipeline();
    const off = await pipeline.generate({ ...request, guidanceScale: 1, negativePrompt: 'blurry' });
    expect(session.jobs[0]?.guidance).toBeNull();
    expect(off.warnings).toEqual([
      { code: 'NEGATIVE_PROMPT_UNUSED', message: expect.stringContaining('guidanceScale 1') },
    ]);
    expect((await pipeline.generate({ ...request, guidanceScale: 1 })).warnings).toEqual([]);
    const on = await pipeline.generate({ ...request, guidanceScale: 1.01, negativePrompt: 'blurry' });
    expect(session.jobs[2]?.guidance).toEqual({ scale: 1.01, negativeIds: expect.objectContaining({ length: 16 }) });
    expect(on.warnings).toEqual([]);
  });

  it('gives a model into which guidance was distilled the scale as an embedding, and no negative prompt', async () => {
    const { pipeline, session } = memoryPipeline({ guidanceWidth: 8 });
    const { warnings } = await pipeline.generate({ ...request, guidanceScale: 7.5, negativePrompt: 'blurry' });
    expect(session.jobs[0]).toMatchObject({ guidance: null, guidanceEmbedding: guidanceEmbedding(7.5, 8) });
    expect(warnings).toEqual([{ code: 'NEGATIVE_PROMPT_UNUSED', message: expect.stringContaining('distilled') }]);
  });

  it('warns of words that the model does not read, and quotes them', async () => {
    const { pipeline } = memoryPipeline();
    const long = `${'apple '.repeat(40)}last words`;
    const { warnings } = await pipeline.generate({ ...request, prompt: long, negativePrompt: long });
    expect(warnings.map(({ code }) => code)).toEqual(['PROMPT_CUT', 'NEGATIVE_PROMPT_CUT']);
    expect(warnings[0]?.message).toMatch(
      /^The prompt is longer than the 16 tokens that the model reads; left out: ".*last words"$/,
    );
  });

  it('reports each step of each image', async () => {
    const { pipeline } = memoryPipeline();
    const events: StepProgress[] = [];
    await pipeline.generate({ ...request, seeds: [4, 8], preview: 2, onStep: (event) => events.push(event) });
    expect(events.map(({ image, seed, step, steps, preview }) => [image, seed, step, steps, preview?.width])).toEqual([
      [0, 4, 1, 3, undefined],
      [0, 4, 2, 3, 32],
      [0, 4, 3, 3, undefined],
      [1, 8, 1, 3, undefined],
      [1, 8, 2, 3, 32],
      [1, 8, 3, 3, undefined],
    ]);
  });

  it('refuses a request before any work, and one whose noise does not fit', async () => {
    const { pipeline, session } = memoryPipeline({ latentChannels: 32, vaeFactor: 8 });
    await expect(pipeline.generate({ ...request, steps: 0, promt: 'x' } as never)).rejects.toMatchObject({
      code: 'OPTION_INVALID',
      issues: [{ option: 'steps' }, { option: 'promt' }],
    });
    await expect(pipeline.generate(null as never)).rejects.toMatchObject({ code: 'OPTION_INVALID' });
    await expect(
      pipeline.generate({ prompt: 'x', sampler: 'ddpm', steps: 1000, n: 100, width: 512, height: 512 }),
    ).rejects.toThrow(/n: expected at most 2 images of this size with 1000 steps of ddpm, .* received 100/);
    expect(session.jobs).toEqual([]);
  });
});

describe('an abort', () => {
  it('before the call does no work and rejects with the reason', async () => {
    const { pipeline, session } = memoryPipeline();
    const reason = new Error('no longer wanted');
    await expect(pipeline.generate({ ...request, signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    await expect(pipeline.generate({ ...request, signal: AbortSignal.abort() })).rejects.toMatchObject({
      name: 'AbortError',
    });
    expect(session.jobs).toEqual([]);
  });

  it('in the middle ends that request within a step, and no other', async () => {
    const { pipeline } = memoryPipeline();
    const control = new AbortController();
    const steps: number[] = [];
    const onStep = ({ step }: StepProgress) => {
      steps.push(step);
      if (step === 2) control.abort('enough');
    };
    const other = pipeline.generate({ ...request, seed: 1 });
    await expect(pipeline.generate({ ...request, steps: 50, signal: control.signal, onStep })).rejects.toBe('enough');
    expect(steps).toEqual([1, 2]);
    expect((await other).images).toHaveLength(1);
    expect((await pipeline.generate(request)).images).toHaveLength(1);
  });

  it('at the last step still rejects', async () => {
    const { pipeline } = memoryPipeline();
    const control = new AbortController();
    const onStep = ({ step }: StepProgress) => step === 3 && control.abort('late');
    await expect(pipeline.generate({ ...request, signal: control.signal, onStep })).rejects.toBe('late');
  });

  it('leaves no listener on the signal', async () => {
    const { pipeline } = memoryPipeline();
    const { signal } = new AbortController();
    const add = vi.spyOn(signal, 'addEventListener');
    const remove = vi.spyOn(signal, 'removeEventListener');
    await pipeline.generate({ ...request, signal });
    for await (const _ of pipeline.stream({ ...request, signal })) break;
    expect(add).toHaveBeenCalledTimes(2);
    expect(remove.mock.calls.map(([, listener]) => listener)).toEqual(add.mock.calls.map(([, listener]) => listener));
  });

  it('is what a listener does that throws', async () => {
    const { pipeline } = memoryPipeline();
    const broken = new Error('broken listener');
    const onStep = () => {
      throw broken;
    };
    await expect(pipeline.generate({ ...request, onStep })).rejects.toBe(broken);
  });
});

describe('a stream', () => {
  it('yields the steps and each image as it is done, then the rest', async () => {
    const { pipeline } = memoryPipeline();
    const events: StreamEvent[] = [];
    for await (const event of pipeline.stream({ ...request, seeds: [5, 6], preview: true })) events.push(event);
    const one = ['step', 'step', 'step', 'image'];
    expect(events.map(({ type }) => type)).toEqual([...one, ...one, 'done']);
    expect(events[0]).toMatchObject({ type: 'step', image: 0, seed: 5, step: 1, steps: 3 });
    const { images, ...rest } = await pipeline.generate({ ...request, seeds: [5, 6] });
    expect(events[7]).toEqual({ type: 'image', index: 1, image: images[1] });
    expect(events[8]).toEqual({ type: 'done', ...rest });
  });

  it('keeps every step but only the newest preview for a slow reader', async () => {
    const { pipeline } = memoryPipeline();
    const previews: boolean[] = [];
    let drawn = () => {};
    const allDrawn = new Promise<void>((resolve) => {
      drawn = resolve;
    });
    const onStep = ({ step }: { step: number }) => step === 20 && drawn();
    for await (const event of pipeline.stream({ ...request, steps: 20, preview: true, onStep })) {
      if (event.type !== 'step') break;
      previews.push(event.preview !== undefined);
      // The reader holds the first of them; all the others come meanwhile.
      await allDrawn;
    }
    expect(previews).toEqual([true, ...Array(18).fill(false), true]);
  });

  it('ends the request when the loop is left', async () => {
    const { pipeline, session } = memoryPipeline();
    const steps: number[] = [];
    for await (const event of pipeline.stream({ ...request, steps: 1000, onStep: ({ step }) => steps.push(step) })) {
      if (event.type === 'step' && event.step >= 2) break;
    }
    const seen = steps.length;
    expect(seen).toBeLessThan(20);
    await pipeline.generate(request);
    expect(steps).toHaveLength(seen);
    expect(session.jobs).toHaveLength(2);
  });

  it('throws into the loop what generate rejects with', async () => {
    const { pipeline } = memoryPipeline();
    const read = async (options: object) => {
      for await (const _ of pipeline.stream({ ...request, ...options }));
    };
    await expect(read({ steps: 0 })).rejects.toMatchObject({ code: 'OPTION_INVALID' });
    await expect(read({ signal: AbortSignal.abort('no') })).rejects.toBe('no');
    const control = new AbortController();
    const onStep = () => control.abort('stop');
    await expect(read({ signal: control.signal, onStep })).rejects.toBe('stop');
    await pipeline.close();
    await expect(read({})).rejects.toMatchObject({ code: 'CLOSED' });
  });
});

describe('closing', () => {
  it('is idempotent, and refuses what comes after', async () => {
    const { pipeline, session } = memoryPipeline();
    await Promise.all([pipeline.close(), pipeline.close()]);
    await pipeline.close();
    expect(session.closes).toBe(1);
    await expect(pipeline.generate(request)).rejects.toMatchObject({ code: 'CLOSED' });
    // Options that are wrong as well are not worth mending.
    await expect(pipeline.generate({ ...request, steps: 0 })).rejects.toMatchObject({
      code: 'CLOSED',
      hint: expect.stringContaining('Pipeline.load()'),
    });
  });

  it('ends what runs and what waits with CLOSED', async () => {
    const { pipeline, session } = memoryPipeline();
    let close: Promise<void> | undefined;
    const onStep = () => {
      close ??= pipeline.close();
    };
    const running = expect(pipeline.generate({ ...request, steps: 50, onStep })).rejects.toMatchObject({
      code: 'CLOSED',
    });
    await running;
    await close;
    const { pipeline: other } = memoryPipeline();
    const outcomes = Promise.allSettled([1, 2].map((seed) => other.generate({ ...request, seed })));
    await other.close();
    for (const outcome of await outcomes) expect(outcome).toMatchObject({ reason: { code: 'CLOSED' } });
    expect(session.jobs).toHaveLength(1);
  });

  it('happens at the end of `await using`', async () => {
    const { pipeline, session } = memoryPipeline();
    {
      await using t2i = pipeline;
      await t2i.generate(request);
      expect(session.closes).toBe(0);
    }
    expect(session.closes).toBe(1);
  });
});
