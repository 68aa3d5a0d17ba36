import { describe, expect, it } from 'vitest';
import type { ServedModel } from '../../../src/server/models/served-model.js';
import { FakeClock, settled } from '../../support/fake-clock.js';
import { memoryModel, memoryServer } from '../../support/memory-server.js';

const MANIFEST = {
  defaults: { steps: 5, guidanceScale: 2, sampler: 'euler' },
  presets: { fast: { steps: 2 }, soft: { guidanceScale: 1.5 }, other: { sampler: 'ddim' } },
  words: 'apple pear',
};

const modelOf = (fields: object) =>
  memoryModel('formula', { model: { ...memoryModel('own').model, ...fields } as unknown as ServedModel['model'] });

describe('what a server says of itself', () => {
  it('is all that a client needs to offer it', async () => {
    const limits = { images: 3, side: 512, steps: 60, bodyBytes: 5000, timeout: 90_000 };
    const { get } = await memoryServer({ limits, queue: 9 });
    const { body } = await get('/v1/capabilities');
    expect(body).toEqual({
      version: expect.stringMatching(/^@t2i\/sdk \d+\.\d+\.\d+/),
      formats: ['png', 'jpeg', 'webp'],
      limits: {
        ...{ n: 3, side: 512, steps: 60, prompt_characters: 10_000, body_bytes: 5000, queue: 9 },
        timeout_seconds: 90,
      },
      ...{ queue: { waiting: 0, running: 0 }, image_store: false },
      models: [
        {
          ...{ id: 'formula', name: 'formula', open: false, backend: null, words: null },
          ...{ native_size: { width: 32, height: 32 }, fixed_size: null, size_granularity: 8 },
          defaults: { steps: 30, guidance_scale: 7.5, sampler: 'ddim' },
          ...{ presets: {}, samplers: expect.any(Array) },
        },
      ],
    });
    const [{ samplers }] = body.models;
    expect(samplers).toContainEqual({ name: 'ddim', eta: true, karras: false, max_steps: 1000 });
    expect(samplers).toContainEqual({ name: 'dpmpp-2m', eta: false, karras: true, max_steps: expect.any(Number) });
  });

  it('is what the manifest of a model says', async () => {
    const model = modelOf({ manifest: MANIFEST, fixedSize: { width: 64, height: 32 } });
    const [told] = (await (await memoryServer({}, { models: [model] })).get('/v1/capabilities')).body.models;
    expect(told).toMatchObject({
      ...{ id: 'formula', name: 'own', words: 'apple pear', fixed_size: { width: 64, height: 32 } },
      defaults: { steps: 5, guidance_scale: 2, sampler: 'euler' },
    });
    expect(told.presets).toEqual({ fast: { steps: 2 }, soft: { guidance_scale: 1.5 }, other: { sampler: 'ddim' } });
  });

  it('leaves out the samplers that a model has no schedule for', async () => {
    const field = { field: 'beta_schedule', received: '"x"', expected: '"y"', samplers: ['euler'] };
    const scheduler = { ...memoryModel('x').model.scheduler, unsupported: [field] };
    const [told] = (await (await memoryServer({}, { models: [modelOf({ scheduler })] })).get('/v1/capabilities')).body
      .models;
    const names = told.samplers.map(({ name }: { name: string }) => name);
    expect(names).toContain('ddim');
    expect(names).not.toContain('euler');
  });

  it('is which models are open, with what runs them, and how many requests are here', async () => {
    let opened = () => {};
    const slow = memoryModel('slow');
    const { open } = slow;
    Object.assign(slow, {
      open: async (signal: AbortSignal) => {
        await new Promise<void>((resolve) => (opened = resolve));
        return open(signal);
      },
    });
    const { get, post, queue } = await memoryServer({}, { models: [slow], clock: new FakeClock() });
    const told = async () => {
      const { models, queue } = (await get('/v1/capabilities')).body;
      return { open: models[0].open, backend: models[0].backend, ...queue };
    };
    const answers = [post('/v1/images/generations', { prompt: 'x', steps: 1 })];
    await settled();
    answers.push(post('/v1/images/generations', { prompt: 'y', steps: 1 }));
    await settled();
    expect(await told()).toEqual({ open: true, backend: null, waiting: 1, running: 1 });
    opened();
    await Promise.all(answers);
    await queue.drain();
    expect(await told()).toEqual({ open: true, backend: 'memory', waiting: 0, running: 0 });
  });

  it('is refused in the shape of the other answers', async () => {
    const { app, post } = await memoryServer({ apiKeys: ['a-key-that-is-long-enough'] });
    expect((await app.request('/v1/capabilities')).status).toBe(401);
    const { status, body } = await post('/v1/capabilities', {}, { 'x-api-key': 'a-key-that-is-long-enough' });
    expect([status, body.error.code]).toEqual([405, 'method_not_allowed']);
  });
});
