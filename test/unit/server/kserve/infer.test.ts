import { describe, expect, it } from 'vitest';
import { readReceipt } from '../../../../src/image/read-receipt.js';
import { FakeClock, settled } from '../../../support/fake-clock.js';
import { memoryModel, memoryServer } from '../../../support/memory-server.js';

const INFER = '/v2/models/formula/infer';
const LENGTH = 'inference-header-content-length';
const bytesOf = (b64: string) => new Uint8Array(Buffer.from(b64, 'base64'));
const prompt = { name: 'prompt', shape: [1], datatype: 'BYTES', data: ['a red apple'] };
const seed = { name: 'seed', shape: [1], datatype: 'INT64', data: [7] };
const asked = { inputs: [prompt, seed], parameters: { steps: 3 } };

/** The outputs of an answer by their names, those behind the JSON as bytes. */
async function outputsOf(response: Response) {
  const bytes = Buffer.from(await response.arrayBuffer());
  let at = Number(response.headers.get(LENGTH) ?? bytes.length);
  const { outputs } = JSON.parse(bytes.subarray(0, at).toString());
  return Object.fromEntries(
    outputs.map(({ name, data, parameters }: { name: string; data?: unknown; parameters?: Record<string, number> }) => {
      const size = parameters?.binary_data_size;
      if (size === undefined) return [name, data];
      at += size;
      return [name, bytes.subarray(at - size, at)];
    }),
  );
}

describe('an inference of KServe', () => {
  it.each([
    ['parameters', { inputs: [prompt], parameters: 5 }, 'an object'],
    ['outputs', { inputs: [prompt], outputs: 5 }, 'a list of at most 50 outputs'],
    ['outputs.0', { inputs: [prompt], outputs: [5] }, 'an output: { name }'],
    ['inputs', { inputs: Array(51).fill(prompt) }, 'a list of at most 50 tensors'],
    ['inputs.0', { inputs: [5] }, 'a tensor: { name, shape, datatype, data }'],
    ['inputs.0.shape', { inputs: [{ ...prompt, shape: [1, 1, 1, 1, 1] }] }, 'a list of at most 4 sizes'],
    ['inputs.0.parameters', { inputs: [{ ...prompt, parameters: 5 }] }, 'an object'],
  ])('is refused with what was expected: %s', async (place, asked, expected) => {
    const { status, body } = await (await memoryServer()).post(INFER, asked);
    expect([status, body.error]).toEqual([400, expect.stringMatching(`${place}: expected ${expected}, received`)]);
  });

  it('takes fields as inputs and as parameters, and answers in JSON', async () => {
    const server = await memoryServer();
    const inputs = [prompt, { name: 'seed', shape: [1, 1], datatype: 'INT64', data: [[7]] }];
    const { status, body } = await server.post(INFER, { id: 'x', inputs, parameters: { steps: 3, n: 2 } });
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
    const headers = { [LENGTH]: String(head.length) };
    const body = Buffer.concat([Buffer.from(head), behind]);
    const response = await server.app.request(INFER, { method: 'POST', body, headers });
    expect(response.status).toBe(200);
    const bytes = Buffer.from(await response.arrayBuffer());
    const length = Number(response.headers.get(LENGTH));
    const [image, seed] = JSON.parse(bytes.subarray(0, length).toString()).outputs;
    const size = image.parameters.binary_data_size;
    expect(bytes.readUInt32LE(length)).toBe(size - 4);
    const file = new Uint8Array(bytes.subarray(length + 4, length + size));
    expect(await readReceipt(file)).toMatchObject({ seed: 7, prompt: 'a red apple' });
    expect(bytes.readBigInt64LE(length + size)).toBe(7n);
    expect(seed.parameters.binary_data_size).toBe(8);
  });

  it('takes several seeds as one input, and a list of one', async () => {
    const server = await memoryServer();
    for (const data of [[4, 9], [5]]) {
      const inputs = [prompt, { ...seed, name: 'seeds', shape: [data.length], data }];
      const { body } = await server.post(INFER, { inputs, parameters: { steps: 3 } });
      expect(body.outputs[1]).toMatchObject({ name: 'seed', shape: [data.length], data });
    }
  });

  it('needs neither an id nor parameters, and is told no id then', async () => {
    const { status, body } = await (await memoryServer()).post(INFER, { inputs: [prompt] });
    expect([status, Object.keys(body)]).toEqual([200, ['model_name', 'model_version', 'outputs']]);
  });

  it('may say that all of its body is JSON', async () => {
    const body = JSON.stringify(asked);
    const headers = { [LENGTH]: String(body.length) };
    const response = await (await memoryServer()).app.request(INFER, { method: 'POST', body, headers });
    expect([response.status, await outputsOf(response)]).toEqual([200, { image: [expect.any(String)], seed: [7] }]);
  });

  const file = expect.any(Buffer);
  const text = [expect.any(String)];
  const binary = (name: string, is = true) => ({ name, parameters: { binary_data: is } });
  it.each<[what: string, outputs: unknown, all: boolean | undefined, answered: Record<string, unknown>]>([
    ['only the outputs that are named', [{ name: 'seed' }], undefined, { seed: [7] }],
    ['nothing behind the JSON, where nothing else is asked', undefined, false, { image: text, seed: [7] }],
    ['one output behind the JSON', [binary('image'), { name: 'seed' }], undefined, { image: file, seed: [7] }],
    ['the second one behind the JSON', [{ name: 'image' }, binary('seed')], false, { image: text, seed: file }],
    ['all but one behind the JSON', [{ name: 'image' }, binary('seed', false)], true, { image: file, seed: [7] }],
    ['what else an output has as if it had none', [{ name: 'seed', parameters: {} }], true, { seed: file }],
  ])('is answered %s', async (_, outputs, all, answered) => {
    const server = await memoryServer();
    const body = { ...asked, outputs, parameters: { ...asked.parameters, binary_data_output: all } };
    const headers = { 'content-type': 'application/json' };
    const response = await server.app.request(INFER, { method: 'POST', body: JSON.stringify(body), headers });
    const isBinary = Object.values(answered).includes(file);
    const type = isBinary ? 'application/octet-stream' : 'application/json';
    expect([response.headers.get('content-type'), response.headers.has(LENGTH)]).toEqual([type, isBinary]);
    expect(await outputsOf(response)).toEqual(answered);
  });

  it('takes the parameters of the protocol that mean nothing here', async () => {
    const parameters = { priority: 1, sequence_id: 2, sequence_start: true, sequence_end: true };
    expect((await (await memoryServer()).post(INFER, { inputs: [prompt], parameters })).status).toBe(200);
  });

  it.each<[parameters: Record<string, unknown> | undefined, milliseconds: number]>([
    [{ timeout: 5_000_000 }, 5000],
    [{ timeout: 1500 }, 1.5],
    [{ timeout: 0 }, 2000],
    [{ timeout: -1 }, 2000],
    [{ timeout: '5000000' }, 2000],
    [undefined, 2000],
  ])('with %j and a header of two seconds waits %d ms', async (parameters, milliseconds) => {
    const clock = new FakeClock();
    const server = await memoryServer(
      {},
      { models: [memoryModel('formula', { open: () => new Promise(() => {}) })], clock },
    );
    let status = 0;
    const asking = server.post(INFER, { inputs: [prompt], parameters }, { 'x-request-timeout': '2' }).then((answer) => {
      status = answer.status;
    });
    await settled();
    await clock.turn(milliseconds - 1);
    expect(status).toBe(0);
    await clock.turn(1);
    await asking;
    expect(status).toBe(504);
  });
});

describe('KServe refuses', () => {
  const wrong = (inputs: unknown, more: object = {}) => JSON.stringify({ inputs, ...more });
  const behind = (name: string, datatype: string, size: number) => ({
    ...{ name, shape: [1], datatype, parameters: { binary_data_size: size } },
  });

  it.each<[what: string, body: string, message: RegExp, header?: string | number]>([
    ['a head that ends beyond the body', '{}', /inference-header.*expected at most 2, received 99/, '99'],
    ['a head that ends before the body begins', '{}', /inference-header.*received -1/, '-1'],
    ['a head that ends within a byte', '{}', /inference-header.*received 1.5/, '1.5'],
    ['a head of a length that is no number', '{}', /inference-header.*received two/, 'two'],
    ['a head of no bytes', '{}', /body: expected JSON, received 0 bytes/, '0'],
    ['a head that ends in the middle', wrong([prompt]), /body: expected JSON, received 3 bytes/, '3'],
    ['no JSON', 'x', /body: expected JSON, received 1 bytes/],
    ['JSON that is no object', '[]', /body: expected a JSON object, received a list/],
    ['no inputs', '{"parameters": {}}', /inputs: expected a list of at most 50 tensors, received nothing/],
    ['an empty list of inputs', wrong([]), /inputs: expected at least one tensor/],
    ['an unknown field', wrong([prompt], { input: [] }), /input: .*did you mean.*inputs/],
    [
      'texts that end beyond the tensor',
      `${wrong([behind('prompt', 'BYTES', 4)])}\xff\xff\xff\x7f`,
      /prompt: .*4 bytes/,
      4,
    ],
    ['a type named as a method', `${wrong([prompt, behind('seed', 'valueOf', 1)])}\x07`, /seed: .*valueOf.*1 bytes/, 1],
    ['a tensor of another size', wrong([{ ...prompt, shape: [2] }]), /^prompt: expected 2 values of BYTES/],
    ['a tensor without values', wrong([{ ...prompt, data: undefined }]), /^prompt: [^;]*received undefined$/],
    ['a type that does not fit', wrong([{ ...prompt, datatype: 'FP32' }]), /^prompt: expected 1 values of FP32[^;]*$/],
    ['an unknown input', wrong([prompt, { ...seed, name: 'sead' }]), /^sead: .*did you mean.*seed/],
    ['an unknown parameter', wrong([prompt], { parameters: { stepz: 3 } }), /^stepz: .*did you mean.*steps/],
    [
      'an unknown output',
      wrong([prompt], { outputs: [{ name: 'seed' }, { name: 'sed' }] }),
      /^outputs: expected image or seed, received "sed"$/,
    ],
    ['two prompts', wrong([{ ...prompt, shape: [2], data: ['a', 'b'] }]), /^prompt: .*a list of 2/],
    ['a model in the body', wrong([prompt], { parameters: { model: 'formula' } }), /^model: unknown option/],
    [
      'an input that cannot be read, and what else is wrong, each once',
      wrong([prompt, { ...seed, shape: [2] }], { parameters: { steps: 0 } }),
      /^seed: expected 2 values[^;]*; steps: [^;]*$/,
    ],
  ])('%s, and says so', async (_, text, message, header) => {
    const server = await memoryServer();
    const body = Buffer.from(text, 'latin1');
    // A number is that of the bytes behind the JSON.
    const length = typeof header === 'number' ? String(body.length - header) : header;
    const headers: Record<string, string> = length === undefined ? {} : { [LENGTH]: length };
    const response = await server.app.request(INFER, { method: 'POST', body, headers });
    expect(response.status).toBe(400);
    expect(await response.json()).toEqual({ error: expect.stringMatching(message) });
  });
});
