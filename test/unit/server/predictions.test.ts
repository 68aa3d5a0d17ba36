import { describe, expect, it } from 'vitest';
import { decodeImage } from '../../../src/image/decode.js';
import { readReceipt } from '../../../src/image/read-receipt.js';
import { settled } from '../../support/fake-clock.js';
import { memoryModel, memoryServer } from '../../support/memory-server.js';

const request = { prompt: 'a red apple', steps: 3, seed: 7 };
const bytesOf = (b64: string) => new Uint8Array(Buffer.from(b64, 'base64'));
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

describe('SageMaker', () => {
  it('is told by /ping that the container is well, until it drains', async () => {
    const server = await memoryServer({ apiKeys: ['a-key-that-is-long-enough'] });
    expect(await server.get('/ping')).toMatchObject({ status: 200, body: { status: 'Healthy' } });
    void server.queue.drain();
    expect(await server.get('/ping')).toMatchObject({ status: 503, body: { status: 'Unhealthy' } });
  });

  it('gets one line for each line of a batch transform, in their order', async () => {
    const server = await memoryServer();
    const body = [1, 2, 3].map((seed) => JSON.stringify({ ...request, seed })).join('\n');
    const headers = { 'content-type': 'application/jsonlines' };
    const response = await server.app.request('/invocations', { method: 'POST', body: `${body}\n`, headers });
    const lines = (await response.text())
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines.map(({ images }) => images[0].seed)).toEqual([1, 2, 3]);
  });

  it('draws nothing of a batch with a line that is wrong', async () => {
    const model = memoryModel('formula');
    const server = await memoryServer({}, { models: [model] });
    const body = `${JSON.stringify(request)}\n{"prompt": }\n`;
    const headers = { 'content-type': 'application/jsonlines' };
    const response = await server.app.request('/invocations', { method: 'POST', body, headers });
    expect(response.status).toBe(400);
    expect(await response.text()).toContain('line 2');
    expect(model.steps).toBe(0);
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
});

describe('KServe', () => {
  const infer = '/v2/models/formula/infer';
  const prompt = { name: 'prompt', shape: [1], datatype: 'BYTES', data: ['a red apple'] };

  it('tells health, the server and its models', async () => {
    const server = await memoryServer();
    expect((await server.get('/v2')).body).toMatchObject({ name: 't2i', extensions: ['binary_tensor_data'] });
    expect((await server.get('/v2/health/live')).status).toBe(200);
    expect((await server.get('/v2/models/formula/ready')).body).toEqual({ ready: true });
    expect((await server.get('/v2/models/formula')).body).toMatchObject({ name: 'formula', platform: 't2i' });
    expect(await server.get('/v2/models/other')).toMatchObject({ status: 404, body: { error: expect.any(String) } });
    void server.queue.drain();
    expect((await server.get('/v2/health/ready')).status).toBe(503);
    expect((await server.get('/v2/models/formula/ready')).status).toBe(503);
    expect((await server.get('/v2/health/live')).status).toBe(200);
  });

  it('takes fields as inputs and as parameters, and answers in JSON', async () => {
    const server = await memoryServer();
    const inputs = [prompt, { name: 'seed', shape: [1, 1], datatype: 'INT64', data: [[7]] }];
    const { status, body } = await server.post(infer, { id: 'x', inputs, parameters: { steps: 3, n: 2 } });
    expect(status).toBe(200);
    expect(body).toMatchObject({
      ...{ model_name: 'formula', model_version: '1', id: 'x' },
      outputs: [
        { name: 'image', datatype: 'BYTES', shape: [2] },
        { name: 'seed', datatype: 'INT64', shape: [2], data: [7, 8] },
      ],
    });
    expect(await readReceipt(bytesOf(body.outputs[0].data[1]))).toMatchObject({ seed: 8, served: 'kserve' });
  });

  it('reads and writes binary tensors behind the JSON', async () => {
    const server = await memoryServer();
    const text = new TextEncoder().encode('a red apple');
    const behind = new Uint8Array(4 + text.length + 8);
    new DataView(behind.buffer).setUint32(0, text.length, true);
    behind.set(text, 4);
    new DataView(behind.buffer).setBigInt64(4 + text.length, 7n, true);
    const head = JSON.stringify({
      inputs: [
        { ...prompt, data: undefined, parameters: { binary_data_size: 4 + text.length } },
        { name: 'seed', shape: [1], datatype: 'INT64', parameters: { binary_data_size: 8 } },
      ],
      parameters: { steps: 3, binary_data_output: true },
    });
    const headers = { 'inference-header-content-length': String(head.length) };
    const body = Buffer.concat([Buffer.from(head), behind]);
    const response = await server.app.request(infer, { method: 'POST', body, headers });
    expect(response.status).toBe(200);
    const bytes = Buffer.from(await response.arrayBuffer());
    const length = Number(response.headers.get('inference-header-content-length'));
    const [image, seed] = JSON.parse(bytes.subarray(0, length).toString()).outputs;
    const size = image.parameters.binary_data_size;
    expect(bytes.readUInt32LE(length)).toBe(size - 4);
    const file = new Uint8Array(bytes.subarray(length + 4, length + size));
    expect(await readReceipt(file)).toMatchObject({ seed: 7, prompt: 'a red apple' });
    expect(bytes.readBigInt64LE(length + size)).toBe(7n);
    expect(seed.parameters.binary_data_size).toBe(8);
  });

  it.each([
    ['a length beyond the body', '{}', { 'inference-header-content-length': '99' }],
    ['a length below zero', '{}', { 'inference-header-content-length': '-1' }],
    ['no JSON', 'x', {}],
    ['no input', '{"inputs": []}', {}],
    [
      'texts that end beyond the tensor',
      `${JSON.stringify({ inputs: [{ ...prompt, data: undefined, parameters: { binary_data_size: 4 } }] })}\xff\xff\xff\x7f`,
      null,
    ],
    ['a tensor of another size', JSON.stringify({ inputs: [{ ...prompt, shape: [2] }] }), {}],
    ['a type that does not fit', JSON.stringify({ inputs: [{ ...prompt, datatype: 'FP32' }] }), {}],
    ['an unknown input', JSON.stringify({ inputs: [prompt, { ...prompt, name: 'stepz' }] }), {}],
    ['an unknown output', JSON.stringify({ inputs: [prompt], outputs: [{ name: 'latents' }] }), {}],
    ['two prompts', JSON.stringify({ inputs: [{ ...prompt, shape: [2], data: ['a', 'b'] }] }), {}],
  ])('refuses %s, with 400', async (_, text, headers) => {
    const server = await memoryServer();
    const body = Buffer.from(text, 'latin1');
    const own = headers ?? { 'inference-header-content-length': String(body.length - 4) };
    const response = await server.app.request(infer, { method: 'POST', body, headers: own as Record<string, string> });
    expect(response.status).toBe(400);
    expect(await response.json()).toEqual({ error: expect.any(String) });
  });
});
