import { describe, expect, it } from 'vitest';
import { T2IError } from '../../../src/errors.js';
import { decodeImage } from '../../../src/image/decode.js';
import { readReceipt } from '../../../src/image/read-receipt.js';
import type { ServedModel } from '../../../src/server/models/served-model.js';
import { FakeClock, settled } from '../../support/fake-clock.js';
import { memoryModel, memoryServer } from '../../support/memory-server.js';

const request = { prompt: 'a red apple', steps: 3, seed: 7 };
const bytesOf = (b64: string) => new Uint8Array(Buffer.from(b64, 'base64'));
const KEY = 'a-key-that-is-long-enough';
const noGpu = new T2IError('BACKEND_UNAVAILABLE', 'no GPU');
const json = { 'content-type': 'application/json' };

describe.each([
  ['SageMaker', '/invocations', 'sagemaker'],
  ['TorchServe', '/predictions/formula', 'torchserve'],
])('the route of %s', (_, path, api) => {
  it('answers images in JSON', async () => {
    const server = await memoryServer();
    const { status, body } = await server.post(path, { ...request, n: 2 });
    expect(status).toBe(200);
    expect(body).toMatchObject({ model: 'formula', images: [{ seed: 7 }, { seed: 8 }], output_format: 'png' });
    expect(await readReceipt(bytesOf(body.images[1].b64_json))).toMatchObject({ served: api, seed: 8 });
  });

  it('answers the file of one image to those who accept it', async () => {
    const server = await memoryServer();
    const body = JSON.stringify({ ...request, output_format: 'webp' });
    const headers = { ...json, accept: 'image/*' };
    const response = await server.app.request(path, { method: 'POST', body, headers });
    expect([response.headers.get('content-type'), response.headers.get('x-seed')]).toEqual(['image/webp', '7']);
    expect((await decodeImage(new Uint8Array(await response.arrayBuffer()))).width).toBe(32);
    const many = await server.post(path, { ...request, n: 2 }, { accept: 'image/png' });
    expect(many.status).toBe(400);
  });

  it('refuses what is wrong, what is no JSON, and what is too much', async () => {
    const server = await memoryServer({ queue: 1 });
    expect((await server.post(path, { ...request, stepz: 1 })).status).toBe(400);
    const text = await server.app.request(path, { method: 'POST', body: 'x', headers: { 'content-type': 'text/csv' } });
    expect(text.status).toBe(415);
    const running = server.post(path, { ...request, prompt: 'runs', steps: 100 });
    await settled();
    const waiting = server.post(path, { ...request, prompt: 'waits' });
    await settled();
    expect((await server.post(path, { ...request, prompt: 'one more' })).status).toBe(429);
    await Promise.all([running, waiting]);
  });
});

describe('TorchServe', () => {
  it('has its own shape of errors, and names the model in the address', async () => {
    const server = await memoryServer({}, { models: [memoryModel('first'), memoryModel('second')] });
    expect((await server.post('/predictions/second', request)).body.model).toBe('second');
    const unknown = await server.post('/predictions/third', request);
    expect(unknown).toMatchObject({ status: 404, body: { code: 404, type: 'ModelNotFoundException' } });
    const wrong = await server.post('/predictions/first', { ...request, n: 0 });
    expect(wrong).toMatchObject({ status: 400, body: { code: 400, type: 'BadRequestException' } });
  });

  it('takes PUT as POST', async () => {
    const init = { method: 'PUT', body: JSON.stringify(request), headers: json };
    const response = await (await memoryServer()).app.request('/predictions/formula', init);
    expect(await response.json()).toMatchObject({ model: 'formula', images: [{ seed: 7 }] });
  });

  it.each<[what: string, status: number, type: string, init: RequestInit, model?: Partial<ServedModel>]>([
    ['a wrong key', 401, 'InvalidKeyException', { headers: { ...json, authorization: 'Bearer wrong' } }],
    ['another method', 405, 'BadRequestException', { method: 'DELETE' }],
    ['another kind of body', 415, 'BadRequestException', { headers: { 'content-type': 'text/csv' } }],
    ['a model that does not open', 500, 'InternalServerException', {}, { open: () => Promise.reject(new Error('no')) }],
    ['no GPU', 503, 'ServiceUnavailableException', {}, { open: () => Promise.reject(noGpu) }],
    ['a model that takes too long', 504, 'InternalServerException', {}, { open: () => new Promise(() => {}) }],
  ])('says of %s that it is %d, %s', async (_, status, type, init, model = {}) => {
    const clock = new FakeClock();
    const server = await memoryServer({ apiKeys: [KEY] }, { models: [memoryModel('formula', model)], clock });
    const headers = { ...json, authorization: `Bearer ${KEY}`, ...init.headers };
    const body = JSON.stringify(request);
    const answer = server.app.request('/predictions/formula', { method: 'POST', body, ...init, headers });
    await settled();
    await clock.turn(24 * 3_600_000);
    const response = await answer;
    const error = { code: status, type, message: expect.stringMatching(/\w/) };
    expect([response.status, await response.json()]).toEqual([status, error]);
  });

  it('says of a full queue that it is 429, ServiceUnavailableException', async () => {
    const model = memoryModel('formula', { open: () => new Promise(() => {}) });
    const server = await memoryServer({ queue: 1 }, { models: [model] });
    for (const prompt of ['runs', 'waits']) {
      void server.post('/predictions/formula', { ...request, prompt });
      await settled();
    }
    const refused = await server.post('/predictions/formula', request);
    expect(refused).toMatchObject({ status: 429, body: { code: 429, type: 'ServiceUnavailableException' } });
  });
});
