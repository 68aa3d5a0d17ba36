import { afterEach, describe, expect, it, vi } from 'vitest';
import { createT2I, t2i } from '../../../src/ai/index.js';
import { readReceipt } from '../../../src/index.js';
import { Pipeline } from '../../../src/pipeline.js';
import { memoryPipeline } from '../../support/memory-session.js';

const CALL = {
  ...({ prompt: 'a fox', n: 2, size: '16x32', aspectRatio: undefined, seed: 5 } as const),
  ...{ files: undefined, mask: undefined, providerOptions: { t2i: { steps: 2, sampler: 'euler' } } },
};

afterEach(() => vi.restoreAllMocks());

describe('a model of this process', () => {
  const scene = () => {
    const memory = memoryPipeline();
    const load = vi.spyOn(Pipeline, 'load').mockResolvedValue(memory.pipeline);
    const generate = vi.spyOn(memory.pipeline, 'generate');
    return { ...memory, load, generate, provider: createT2I({ load: { threads: 1 } }) };
  };

  it('draws what a call asks for: PNG files with receipts, their seeds, when and by what', async () => {
    const { provider } = scene();
    const before = Date.now();
    const { images, warnings, response, providerMetadata } = await provider.image('m').doGenerate(CALL);
    const receipts = await Promise.all((images as Uint8Array[]).map((image) => readReceipt(image)));
    expect(receipts).toMatchObject([5, 6].map((seed) => ({ seed, prompt: 'a fox', width: 16, height: 32 })));
    expect(receipts[0]?.plan).toMatchObject({ steps: 2, sampler: 'euler' });
    expect(providerMetadata).toEqual({ t2i: { images: [{ seed: 5 }, { seed: 6 }] } });
    expect(warnings).toEqual([]);
    expect(response).toEqual({ timestamp: expect.any(Date), modelId: 'm', headers: undefined });
    expect(response.timestamp.getTime()).toBeGreaterThanOrEqual(before);
  });

  it('warns of what it cannot do, and of what the pipeline warns of', async () => {
    const { provider } = scene();
    const call = { ...CALL, aspectRatio: '1:1' as const, prompt: 'fox '.repeat(200) };
    expect((await provider.image('m').doGenerate(call)).warnings).toEqual([
      { type: 'unsupported', feature: 'aspectRatio', details: 'Ask for a size, such as 128x128.' },
      { type: 'other', message: expect.stringMatching(/prompt/) },
    ]);
  });

  it('tells a mistake by the name that it has in the call, and ends with its signal', async () => {
    const { provider, generate } = scene();
    await expect(provider.image('m').doGenerate({ ...CALL, size: '17x32' })).rejects.toMatchObject({
      code: 'OPTION_INVALID',
      issues: [{ option: 'size (width)' }],
    });
    const controller = new AbortController();
    await provider.image('m').doGenerate({ ...CALL, abortSignal: controller.signal });
    expect(generate).toHaveBeenLastCalledWith(expect.objectContaining({ signal: controller.signal }));
    controller.abort('enough');
    await expect(provider.image('m').doGenerate({ ...CALL, abortSignal: controller.signal })).rejects.toBe('enough');
  });

  it('is loaded once by the id that is asked for, and closed with its provider, twice too', async () => {
    const { provider, load, pipeline } = scene();
    const close = vi.spyOn(pipeline, 'close');
    const model = provider.imageModel('apple-64');
    expect(model).toMatchObject({ specificationVersion: 'v3', provider: 't2i', maxImagesPerCall: 100 });
    await model.doGenerate(CALL);
    await model.doGenerate(CALL);
    expect(load.mock.calls).toEqual([[{ threads: 1, model: 'apple-64' }]]);
    await provider.close();
    await provider[Symbol.asyncDispose]();
    expect(close).toHaveBeenCalledOnce();
  });
});

describe('the provider that is there at once', () => {
  it('has the specification of the AI SDK, and runs models here', () => {
    expect(t2i).toMatchObject({ specificationVersion: 'v3' });
    expect(t2i.image('m')).not.toHaveProperty('server');
  });
});
