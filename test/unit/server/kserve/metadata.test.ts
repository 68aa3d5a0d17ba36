import { expect, it } from 'vitest';
import { packageVersion } from '../../../../src/pipeline/package-version.js';
import { bytesTensor } from '../../../../src/server/kserve/tensors.js';
import { memoryModel, memoryServer } from '../../../support/memory-server.js';

const ERROR = { error: expect.any(String) };
/** A value for each input that a model names. */
const VALUES: Readonly<Record<string, string | number>> = {
  ...{ prompt: 'a red apple', negative_prompt: 'a pear', seed: 7, n: 2, steps: 3 },
  ...{ guidance_scale: 2.5, sampler: 'ddim', size: '32x32' },
};

function bytesOf(datatype: string, value: string | number): Uint8Array {
  const bytes = Buffer.alloc(datatype === 'INT64' ? 8 : 4);
  if (datatype === 'BYTES') return bytesTensor([Buffer.from(String(value))]);
  if (datatype === 'INT64') bytes.writeBigInt64LE(BigInt(value));
  else if (datatype === 'INT32') bytes.writeInt32LE(Number(value));
  else bytes.writeFloatLE(Number(value));
  return bytes;
}

it('KServe is told what the server is, that it lives, and whether it takes requests', async () => {
  const server = await memoryServer();
  const version = packageVersion().replace(/.* /, '');
  expect((await server.get('/v2')).body).toEqual({ name: 't2i', version, extensions: ['binary_tensor_data'] });
  const health = async () => [
    await server.get('/v2/health/live'),
    await server.get('/v2/health/ready'),
    await server.get('/v2/models/formula/ready'),
  ];
  const live = { status: 200, body: { live: true } };
  const ready = { status: 200, body: { ready: true } };
  expect(await health()).toMatchObject([live, ready, ready]);
  void server.queue.drain();
  const draining = { status: 503, body: { ready: false } };
  expect(await health()).toMatchObject([live, draining, draining]);
});

it('KServe is told that it lives without a key, and nothing else', async () => {
  const server = await memoryServer({ apiKeys: ['a-key-that-is-long-enough'] });
  expect((await server.get('/v2/health/live')).status).toBe(200);
  for (const path of ['/v2', '/v2/health/ready', '/v2/models/formula', '/v2/models/formula/ready']) {
    expect(await server.get(path)).toMatchObject({ status: 401, body: ERROR });
  }
});

it.each([
  ['a model that there is not', 'GET', '/v2/models/other', 404],
  ['whether such a model is ready', 'GET', '/v2/models/other/ready', 404],
  ['an inference of such a model', 'POST', '/v2/models/other/infer', 404],
  ['a path that there is not', 'GET', '/v2/nothing', 404],
  ['another method of the first path', 'POST', '/v2', 405],
])('KServe is refused %s in its own shape', async (_, method, path, status) => {
  const response = await (await memoryServer()).app.request(path, { method });
  expect([response.status, await response.json()]).toEqual([status, ERROR]);
});

it.each(['/v2/models/second/infer', '/v2/models/second/versions/1/infer'])(
  'all inputs and outputs that a model names can be had at %s, in binary and in JSON',
  async (path) => {
    const server = await memoryServer({}, { models: [memoryModel('first'), memoryModel('second')] });
    const { body: model } = await server.get('/v2/models/second');
    expect(model).toMatchObject({ name: 'second', versions: ['1'], platform: 't2i' });
    type Named = { name: string; datatype: string; shape: number[] };
    const named: Named[] = model.inputs;
    expect(named.map(({ name, shape }) => [name, shape])).toEqual(Object.keys(VALUES).map((name) => [name, [1]]));
    const inJson = named.map((input) => ({ ...input, data: [VALUES[input.name]] }));
    const { body } = await server.post(path, { inputs: inJson });
    expect(body.model_name).toBe('second');
    const dynamic = (each: Named) => ({ name: each.name, datatype: each.datatype, shape: each.shape.map(() => -1) });
    expect(model.outputs).toEqual(body.outputs.map(dynamic));
    const bytes = named.map(({ name, datatype }) => bytesOf(datatype, VALUES[name] as string | number));
    const inputs = named.map((input, at) => ({ ...input, parameters: { binary_data_size: bytes[at]?.length } }));
    const head = JSON.stringify({ inputs });
    const again = await server.app.request(path, {
      method: 'POST',
      body: Buffer.concat([Buffer.from(head), ...bytes]),
      headers: { 'inference-header-content-length': String(head.length) },
    });
    const { outputs } = (await again.json()) as typeof body;
    expect(outputs).toEqual(body.outputs);
    expect(outputs[1].data).toEqual([7, 8]);
  },
);
