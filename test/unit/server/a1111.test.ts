import { describe, expect, it } from 'vitest';
import { T2IError } from '../../../src/errors.js';
import { readReceipt } from '../../../src/image/read-receipt.js';
import type { ServedModel } from '../../../src/server/models/served-model.js';
import { settled } from '../../support/fake-clock.js';
import { memoryModel, memoryServer } from '../../support/memory-server.js';

const PATH = '/sdapi/v1/txt2img';
const request = { prompt: 'a red apple', steps: 4, seed: 7, width: 16, height: 24 };
const bytesOf = (b64: string) => new Uint8Array(Buffer.from(b64, 'base64'));

/** What SillyTavern sends besides. */
const USUAL = {
  ...{ restore_faces: false, enable_hr: false, hr_upscaler: 'Latent', hr_scale: 2, denoising_strength: 0.7 },
  ...{ override_settings: { CLIP_stop_at_last_layers: 1 }, override_settings_restore_afterwards: true, clip_skip: 1 },
  ...{ save_images: true, send_images: true, do_not_save_grid: false, alwayson_scripts: {}, styles: [], tiling: false },
};

describe('txt2img', () => {
  it('makes the images of the same request to the other APIs, with the infotext', async () => {
    const server = await memoryServer();
    const body = { ...request, ...USUAL, batch_size: 2, n_iter: 1, cfg_scale: 3, sampler_name: 'Euler a' };
    const { status, body: answer } = await server.post(PATH, body);
    expect(status).toBe(200);
    expect(answer.parameters).toEqual(body);
    const info = JSON.parse(answer.info);
    expect(info).toMatchObject({ seed: 7, all_seeds: [7, 8], sampler_name: 'Euler a', width: 16, cfg_scale: 3 });
    expect(info.infotexts[1]).toMatch(/^a red apple\nSteps: 4, Sampler: Euler a, .*Seed: 8, Size: 16x24/);
    const receipt = await readReceipt(bytesOf(answer.images[1]));
    expect(receipt).toMatchObject({ served: 'a1111', seed: 8, plan: { sampler: 'euler-a' } });
    const { prompt, steps } = request;
    const same = { prompt, steps, seed: 8, size: '16x24', guidance_scale: 3, sampler: 'euler-a' };
    const direct = await server.post('/v1/images/generations', same);
    expect((await readReceipt(bytesOf(direct.body.data[0].b64_json))).rgbSha256).toBe(receipt.rgbSha256);
  });

  it.each([
    ['Euler a', undefined, 'euler-a', null],
    ['DPM++ 2M', 'Karras', 'dpmpp-2m', 'karras'],
    ['DPM++ 2M Karras', undefined, 'dpmpp-2m', 'karras'],
    ['dpmpp-2m', 'Automatic', 'dpmpp-2m', null],
    ['Automatic', undefined, 'ddim', null],
    [' euler karras ', undefined, 'euler', 'karras'],
    ['Karras Euler', 'karras', null, null],
    ['DPM++ Karras 2M', undefined, null, null],
    ['Euler\nKarras', undefined, null, null],
    ['', undefined, 'ddim', null],
  ])('knows the sampler %s with the schedule %s', async (sampler_name, scheduler, sampler, sigmas) => {
    const server = await memoryServer();
    const { status, body } = await server.post(PATH, { ...request, sampler_name, scheduler });
    if (sampler === null) expect([status, body.detail]).toEqual([400, expect.stringMatching(/^sampler_name: /)]);
    else expect((await readReceipt(bytesOf(body.images[0]))).plan).toMatchObject({ sampler, sigmas });
  });

  it.each([
    ['DDIM', 0.5, 0.5],
    ['Euler a', 1, null],
    ['Euler', 1, null],
    ['DPM++ 2M', 1, null],
    ['DPM++ 2M', 0.5, null],
    [undefined, 0.5, 0.5],
  ])('takes eta with the sampler %s as that program does', async (sampler_name, eta, planned) => {
    const server = await memoryServer();
    const { body } = await server.post(PATH, { ...request, sampler_name, eta });
    expect((await readReceipt(bytesOf(body.images[0]))).plan.eta).toBe(planned);
  });

  it('refuses a schedule that the sampler of the model does not take', async () => {
    const { status, body } = await (await memoryServer()).post(PATH, { ...request, scheduler: 'Karras' });
    expect([status, body.detail]).toEqual([400, expect.stringMatching(/^scheduler: /)]);
  });

  it('refuses an ancestral sampler with less noise than its own', async () => {
    const server = await memoryServer();
    const { status, body } = await server.post(PATH, { ...request, sampler_name: 'Euler a', eta: 0.5 });
    expect([status, body.detail]).toEqual([400, expect.stringContaining('eta')]);
  });

  it('tells of every image what it was made with', async () => {
    const server = await memoryServer();
    const long = Array.from({ length: 40 }, () => 'apple').join(' ');
    const body = { ...request, prompt: long, negative_prompt: 'blurry', batch_size: 2, n_iter: 2, cfg_scale: 3 };
    const { body: answer } = await server.post(PATH, body);
    expect(answer.images).toHaveLength(4);
    const info = JSON.parse(answer.info);
    expect(info).toMatchObject({
      ...{ prompt: long, all_prompts: [long, long, long, long], negative_prompt: 'blurry', steps: 4, height: 24 },
      ...{ all_negative_prompts: ['blurry', 'blurry', 'blurry', 'blurry'], all_seeds: [7, 8, 9, 10], batch_size: 4 },
      ...{ sd_model_name: 'formula', interrupted: false },
    });
    expect(info.warnings).toEqual([expect.stringContaining('apple')]);
  });

  it('passes over what is about its files and extensions, whatever it is called', async () => {
    const server = await memoryServer();
    const body = { ...request, constructor: 1, subseed_strength: 0, styles: [], init_images: null, script_name: '' };
    expect(await server.post(PATH, body)).toMatchObject({ status: 200, body: { parameters: body } });
  });

  it.each([[[1]], [null], ['text']])(
    'refuses a body that is no object, and says nothing else of it: %j',
    async (none) => {
      const { status, body } = await (await memoryServer()).post(PATH, none);
      expect(status).toBe(400);
      expect(body).toEqual({ error: 'ValidationError', detail: body.detail, body: '', errors: body.detail });
      expect(body.detail).toMatch(/^body: expected a JSON object[^;]*$/);
    },
  );

  it('tells what went wrong by its kind, in the shape of that API', async () => {
    const model = memoryModel('formula');
    const server = await memoryServer({}, { models: [model] });
    model.onStep = () => {
      throw new T2IError('OUT_OF_MEMORY', 'at /srv');
    };
    const { status, body } = await server.post(PATH, request);
    expect([status, body]).toEqual([
      500,
      { error: 'out_of_memory', detail: body.detail, body: '', errors: body.detail },
    ]);
    expect(body.detail).not.toContain('/srv');
    const none = await server.post(PATH, { ...request, override_settings: { sd_model_checkpoint: 'none' } });
    expect([none.status, none.body.error]).toEqual([404, 'model_not_found']);
  });

  it('chooses a seed for -1', async () => {
    const server = await memoryServer();
    const { body } = await server.post(PATH, { ...request, seed: -1 });
    expect(JSON.parse(body.info).seed).toBeGreaterThanOrEqual(0);
  });

  it('refuses what it cannot do, all at once and in the shape of that API', async () => {
    const server = await memoryServer();
    const body = { ...request, enable_hr: true, alwayson_scripts: { x: 1 }, sampler_name: 'UniPC', width: 17 };
    const { status, body: answer } = await server.post(PATH, body);
    expect(status).toBe(400);
    expect(answer.error).toBe('ValidationError');
    for (const name of ['enable_hr', 'alwayson_scripts', 'sampler_name', 'width'])
      expect(answer.detail).toContain(name);
  });

  it('is interrupted by its own caller alone, and answers what is done', async () => {
    const model = memoryModel('formula');
    const [alice, bob] = ['alice-alice-alice', 'bobby-bobby-bobby'];
    const server = await memoryServer({ apiKeys: [alice, bob] }, { models: [model] });
    const as = (key: string) => ({ authorization: `Bearer ${key}` });
    const progress: number[] = [];
    model.onStep = async (steps) => {
      if (steps === 1) await server.post('/sdapi/v1/interrupt', {}, as(bob));
      if (steps === 25) {
        progress.push((await server.get('/sdapi/v1/progress', as(alice))).body.progress);
        progress.push((await server.get('/sdapi/v1/progress', as(bob))).body.progress);
        await server.post('/sdapi/v1/interrupt', {}, as(alice));
      }
    };
    const { status, body } = await server.post(PATH, { ...request, steps: 20, batch_size: 10 }, as(alice));
    expect(status).toBe(200);
    expect(body.images.length).toBeGreaterThanOrEqual(1);
    expect(body.images.length).toBeLessThan(10);
    expect(JSON.parse(body.info).interrupted).toBe(true);
    expect(progress[0]).toBeGreaterThan(0.1);
    expect(progress[1]).toBe(0);
  });
});

describe('the rest of that API', () => {
  it('tells progress of nothing as nothing', async () => {
    const server = await memoryServer();
    const { body } = await server.get('/sdapi/v1/progress?skip_current_image=false');
    expect(body).toMatchObject({ progress: 0, eta_relative: 0, current_image: null, state: { job_count: 0 } });
  });

  it('lists samplers and models as clients send them back', async () => {
    const server = await memoryServer({}, { models: [memoryModel('first'), memoryModel('second')] });
    const { body: samplers } = await server.get('/sdapi/v1/samplers');
    expect(samplers).toContainEqual({ name: 'Euler a', aliases: ['euler-a'], options: {} });
    for (const { name } of samplers) {
      expect((await server.post(PATH, { ...request, sampler_name: name })).status, name).toBe(200);
    }
    const { body: models } = await server.get('/sdapi/v1/sd-models');
    expect(models[1].sha256).toMatch(/^[0-9a-f]{64}$/);
    expect(models[1].hash).toBe(models[1].sha256.slice(0, 10));
    expect(models[1].title).toBe(`second [${models[1].hash}]`);
    expect(models.map(({ model_name }: { model_name: string }) => model_name)).toEqual(['first', 'second']);
    const override = { override_settings: { sd_model_checkpoint: models[1].title } };
    const { body } = await server.post(PATH, { ...request, ...override });
    expect(JSON.parse(body.info).sd_model_name).toBe('second');
    for (const sd_model_checkpoint of ['secon [0a]d', 'second [0a] ', 'second [xy]']) {
      const wrong = await server.post(PATH, { ...request, override_settings: { sd_model_checkpoint } });
      expect(wrong.status, sd_model_checkpoint).toBe(404);
    }
  });

  it('lists the samplers that the chosen model has a schedule for, and no others', async () => {
    const model = memoryModel('formula');
    const field = { field: 'beta_schedule', received: '"x"', expected: '"y"', samplers: ['lcm', 'euler'] };
    const scheduler = { ...model.model.scheduler, unsupported: [field] } as ServedModel['model']['scheduler'];
    const models = [memoryModel('formula', { model: { ...model.model, scheduler } })];
    const { body } = await (await memoryServer({}, { models })).get('/sdapi/v1/samplers');
    const names = body.flatMap(({ aliases }: { aliases: string[] }) => aliases);
    expect(names).toEqual(expect.arrayContaining(['ddim', 'euler-a', 'dpmpp-2m']));
    expect(names).not.toContain('euler');
  });

  it('lists the schedules as clients send them back', async () => {
    const server = await memoryServer();
    const { body } = await server.get('/sdapi/v1/schedulers');
    expect(body).toEqual([
      { name: 'automatic', label: 'Automatic' },
      { name: 'karras', label: 'Karras' },
    ]);
  });

  it.each([
    ['a body that is none', [1], /^body: .*received a list of 1$/],
    ['a title that is none', { sd_model_checkpoint: 5 }, /^sd_model_checkpoint: .*title of a model.*received 5$/],
  ])('refuses %s as a choice', async (_, choice, detail) => {
    const { status, body } = await (await memoryServer()).post('/sdapi/v1/options', choice);
    expect([status, body.detail]).toEqual([400, expect.stringMatching(detail)]);
  });

  it('passes over the other options', async () => {
    const server = await memoryServer();
    expect(await server.post('/sdapi/v1/options', { clip_skip: 2 })).toMatchObject({ status: 200, body: null });
    expect((await server.get('/sdapi/v1/options')).body.sd_model_checkpoint).toMatch(/^formula \[[0-9a-f]{10}\]$/);
  });

  it('remembers the model that a caller chose, for that caller', async () => {
    const [alice, bob] = ['alice-alice-alice', 'bobby-bobby-bobby'];
    const models = [memoryModel('first'), memoryModel('second')];
    const server = await memoryServer({ apiKeys: [alice, bob] }, { models });
    const as = (key: string) => ({ authorization: `Bearer ${key}` });
    expect((await server.post('/sdapi/v1/options', { sd_model_checkpoint: 'second' }, as(alice))).status).toBe(200);
    expect((await server.post('/sdapi/v1/options', { sd_model_checkpoint: '../x' }, as(alice))).status).toBe(404);
    const chosen = async (key: string) => (await server.get('/sdapi/v1/options', as(key))).body.sd_model_checkpoint;
    expect(await chosen(alice)).toMatch(/^second \[/);
    expect(await chosen(bob)).toMatch(/^first \[/);
    const { body } = await server.post(PATH, request, as(alice));
    expect(JSON.parse(body.info).sd_model_name).toBe('second');
    await settled();
  });
});
