import { describe, expect, it } from 'vitest';
import { decodeImage } from '../../../src/image/decode.js';
import { readReceipt } from '../../../src/image/read-receipt.js';
import { memoryModel, memoryServer } from '../../support/memory-server.js';
import { memoryPipeline } from '../../support/memory-session.js';
import { sseEvents } from '../../support/sse.js';

const PATH = '/v1/images/generations';
const request = { prompt: 'a red apple', steps: 3, seed: 7 };

const bytesOf = (b64: string) => new Uint8Array(Buffer.from(b64, 'base64'));

const eventsOf = async (response: Response) => sseEvents(await response.text());

const asPost = (body: unknown) => ({
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(body),
});

describe('a generation', () => {
  it('answers the images that the SDK makes of the same request, each with its seed', async () => {
    const server = await memoryServer();
    const { status, headers, body } = await server.post(PATH, { ...request, n: 2, size: '16x24', user: 'u1' });
    expect(status).toBe(200);
    expect(headers.get('x-request-id')).toMatch(/^req_\w+$/);
    expect(body).toMatchObject({
      model: 'formula',
      size: '16x24',
      output_format: 'png',
      background: 'opaque',
      quality: 'auto',
      usage: { output_tokens: 0, input_tokens_details: { image_tokens: 0 } },
      warnings: [],
    });
    expect(body.usage.total_tokens).toBe(body.usage.input_tokens);
    expect(body.data.map(({ seed }: { seed: number }) => seed)).toEqual([7, 8]);
    const { images } = await memoryPipeline().pipeline.generate({ ...request, n: 2, width: 16, height: 24 });
    for (const [index, image] of images.entries()) {
      const { rgb } = await decodeImage(bytesOf(body.data[index].b64_json));
      expect(new Uint8Array(rgb)).toEqual(image.rgb);
    }
  });

  it('says in the receipt by which API it was asked for', async () => {
    const server = await memoryServer();
    const { body } = await server.post(PATH, request);
    const receipt = await readReceipt(bytesOf(body.data[0].b64_json));
    expect(receipt).toMatchObject({ served: 'openai', seed: 7, prompt: 'a red apple' });
    const own = await memoryPipeline().pipeline.generate(request);
    expect(own.images[0].receipt).not.toHaveProperty('served');
  });

  it('chooses a seed where none is given, tells it, and makes the same image from it', async () => {
    const server = await memoryServer();
    const { seed: _, ...open } = request;
    const first = await server.post(PATH, open);
    const [{ seed, b64_json }] = first.body.data;
    const again = await server.post(PATH, { ...open, seed });
    expect(again.body.data[0].b64_json).toBe(b64_json);
  });

  it('takes every option of the SDK under a plain name', async () => {
    const server = await memoryServer();
    const all = {
      ...{ prompt: 'x', negative_prompt: 'y', guidance_scale: 3.3, steps: 4, sampler: 'ddim', eta: 0.5 },
      ...{ seeds: [5, 3], size: 'auto', preset: null, model: 'formula' },
    };
    const { body } = await server.post(PATH, all);
    const receipt = await readReceipt(bytesOf(body.data[1].b64_json));
    expect(receipt).toMatchObject({
      ...{ prompt: 'x', negativePrompt: 'y', guidanceScale: 3.3, seed: 3, width: 32 },
      plan: { sampler: 'ddim', steps: 4, eta: 0.5 },
    });
  });

  it.each(['jpeg', 'webp'])('encodes as %s with the wanted quality', async (format) => {
    const server = await memoryServer();
    const sizes: number[] = [];
    for (const output_compression of [5, 100]) {
      const { body } = await server.post(PATH, { ...request, output_format: format, output_compression });
      expect(body.output_format).toBe(format);
      sizes.push(body.data[0].b64_json.length);
    }
    expect(sizes[0]).toBeLessThan(sizes[1] as number);
  });

  it('takes the preset "fast" for low quality, where the model has one', async () => {
    const manifest = {
      defaults: { steps: 5, guidanceScale: 2, sampler: 'ddim' },
      presets: { fast: { steps: 2 } },
    };
    const { model } = memoryModel('x');
    const withPreset = memoryModel('x', { model: { ...model, manifest: manifest as never } });
    const server = await memoryServer({}, { models: [withPreset] });
    const stepsOf = async (body: object) => {
      const answer = await server.post(PATH, { prompt: 'x', seed: 1, ...body });
      return (await readReceipt(bytesOf(answer.body.data[0].b64_json))).plan.steps;
    };
    expect(await stepsOf({ quality: 'low' })).toBe(2);
    expect(await stepsOf({ quality: 'high' })).toBe(5);
    expect(await stepsOf({ quality: 'low', steps: 3 })).toBe(3);
  });

  it('tells what the SDK warns of', async () => {
    const server = await memoryServer();
    const { body } = await server.post(PATH, { ...request, negative_prompt: 'blue', guidance_scale: 1 });
    expect(body.warnings).toEqual([expect.objectContaining({ code: 'NEGATIVE_PROMPT_UNUSED' })]);
  });
});

describe('a wrong request', () => {
  it('is told every mistake at once, and the name that was probably meant', async () => {
    const server = await memoryServer();
    const { status, headers, body } = await server.post(PATH, {
      ...{ prompt: 7, stepz: 3, n: 0, size: '33x32', output_compression: 5, guidance_scale: -1, seed: 1.5 },
      ...{ sampler: 'nope', negative_prompt: 'fine' },
    });
    expect(status).toBe(400);
    expect(headers.get('x-request-id')).toBe(body.error.request_id);
    expect(body.error).toMatchObject({ type: 'invalid_request_error', code: 'option_invalid' });
    const told = Object.fromEntries(
      body.error.issues.map((each: { param: string; message: string }) => [each.param, each.message]),
    );
    expect(Object.keys(told).sort()).toEqual(
      ['guidance_scale', 'n', 'output_compression', 'prompt', 'sampler', 'seed', 'size', 'stepz'].sort(),
    );
    expect(told.stepz).toContain('did you mean "steps"?');
    expect(told.prompt).toContain('received 7');
    expect(body.error.param).toBe(body.error.issues[0].param);
  });

  it('is not carried out in part', async () => {
    const server = await memoryServer();
    await server.post(PATH, { ...request, unheard_of: true });
    expect(server.models[0]?.sessions).toEqual([]);
  });

  it.each([
    ['no prompt', {}, 'prompt'],
    ['more images than the server makes', { prompt: 'x', n: 11 }, 'n'],
    ['as many seeds', { prompt: 'x', seeds: Array.from({ length: 11 }, (_, i) => i) }, 'n'],
    ['a side that is too long', { prompt: 'x', size: '4096x32' }, 'size'],
    ['too many steps', { prompt: 'x', steps: 201 }, 'steps'],
    ['an address where nothing is kept', { prompt: 'x', response_format: 'url' }, 'response_format'],
    ['previews without a stream', { prompt: 'x', partial_images: 1 }, 'partial_images'],
    ['quality of a PNG', { prompt: 'x', output_compression: 50 }, 'output_compression'],
    ['a list', [], 'body'],
  ])('names the field: %s', async (_, body, param) => {
    const server = await memoryServer();
    const answer = await server.post(PATH, body);
    expect(answer.status).toBe(400);
    expect(answer.body.error.param).toBe(param);
    expect(answer.body.error.issues).toHaveLength(1);
  });

  it('has 404 for a model that is not served, with the nearest name, and never a path', async () => {
    const server = await memoryServer();
    for (const model of ['formulq', '../formula', '/etc', 'http://example.org/m', 'owner/name']) {
      const { status, body } = await server.post(PATH, { ...request, model });
      expect(status).toBe(404);
      expect(body.error).toMatchObject({ code: 'model_not_found', param: 'model' });
    }
    const { body } = await server.post(PATH, { ...request, model: 'formulq' });
    expect(body.error.message).toContain('did you mean "formula"?');
  });

  it.each([
    ['no JSON', '{"prompt":', 'application/json', 400],
    ['a form, which a page elsewhere may send', 'prompt=x', 'application/x-www-form-urlencoded', 415],
    ['text, the same', '{"prompt":"x"}', 'text/plain', 415],
  ])('is refused as %s', async (_, body, type, status) => {
    const server = await memoryServer();
    const response = await server.app.request(PATH, { method: 'POST', body, headers: { 'content-type': type } });
    expect(response.status).toBe(status);
    expect(await response.json()).toMatchObject({ error: { code: expect.any(String) } });
  });
});

describe('a stream', () => {
  it('tells previews, then the image, in the events of OpenAI', async () => {
    const server = await memoryServer();
    const body = { ...request, steps: 8, stream: true, partial_images: 2 };
    const response = await server.app.request(PATH, asPost(body));
    expect(response.headers.get('content-type')).toContain('text/event-stream');
    const events = await eventsOf(response);
    expect(events.map(({ event, data }) => [event, data.type, data.partial_image_index])).toEqual([
      ['image_generation.partial_image', 'image_generation.partial_image', 0],
      ['image_generation.partial_image', 'image_generation.partial_image', 1],
      ['image_generation.completed', 'image_generation.completed', undefined],
    ]);
    const common = { size: '32x32', quality: 'auto', background: 'opaque', output_format: 'png', seed: 7 };
    for (const { data } of events) {
      expect(data).toMatchObject({ ...common, created_at: expect.any(Number) });
      expect((await decodeImage(bytesOf(data.b64_json as string))).width).toBe(32);
    }
    expect(events[2]?.data.usage).toMatchObject({ total_tokens: expect.any(Number) });
    const whole = await server.post(PATH, { ...request, steps: 8 });
    expect(events[2]?.data.b64_json).toBe(whole.body.data[0].b64_json);
  });

  it('tells of each image of several which one it is', async () => {
    const server = await memoryServer();
    const events = await eventsOf(await server.app.request(PATH, asPost({ ...request, n: 2, stream: true })));
    expect(events.map(({ event, data }) => [event, data.image_index, data.seed])).toEqual([
      ['image_generation.completed', 0, 7],
      ['image_generation.completed', 1, 8],
    ]);
  });

  it('ends with an error event where it fails after it began', async () => {
    const model = memoryModel('formula', { open: () => Promise.reject(new Error('secret path /srv/model')) });
    const server = await memoryServer({}, { models: [model] });
    const events = await eventsOf(await server.app.request(PATH, asPost({ ...request, stream: true })));
    expect(events).toEqual([
      { event: 'error', data: { error: expect.objectContaining({ code: 'internal', type: 'server_error' }) } },
    ]);
    expect(JSON.stringify(events)).not.toContain('/srv/model');
    expect(server.logged()).toContain('/srv/model');
  });
});

describe('the models', () => {
  it('are listed and told one by one', async () => {
    const server = await memoryServer({}, { models: [memoryModel('first'), memoryModel('second')] });
    const { body } = await server.get('/v1/models');
    expect(body).toMatchObject({ object: 'list', data: [{ id: 'first', object: 'model' }, { id: 'second' }] });
    expect((await server.get('/v1/models/second')).body).toMatchObject({ id: 'second', owned_by: 't2i' });
    expect((await server.get('/v1/models/third')).status).toBe(404);
  });

  it('are chosen by their ids, the first where none is named', async () => {
    const server = await memoryServer({}, { models: [memoryModel('first'), memoryModel('second')] });
    expect((await server.post(PATH, request)).body.model).toBe('first');
    expect((await server.post(PATH, { ...request, model: 'second' })).body.model).toBe('second');
  });
});
