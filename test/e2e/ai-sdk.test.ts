import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { generateImage } from 'ai-6';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createT2I, type T2IProvider } from '../../src/ai/index.js';
import { decodeImage } from '../../src/image/decode.js';
import { readReceipt } from '../../src/image/read-receipt.js';
import { hashArrays } from '../../src/image/receipt.js';
import { Pipeline } from '../../src/pipeline.js';
import { createServer, type Listening, listen, type Server } from '../../src/server/index.js';
import { fixture } from '../contract/tiny-jobs.js';
import { nodeBinary } from '../support/node-versions.js';
import { noLinuxX64, skipFor } from '../support/skip-for.js';

const KEY = 'a-key-of-the-server';
const MODEL = fixture('tiny');
const load = { backend: 'onnxruntime', threads: 1 };
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

/** Hashes of the pixels; a server puts its request's id into the receipt. */
const pixels = (files: readonly Uint8Array[]) =>
  Promise.all(files.map(async (file) => hashArrays((await decodeImage(file)).rgb)));

/** What every call below asks for, and what `generate` calls it. */
const OWN = { steps: 3, guidanceScale: 4, negativePrompt: 'a blue cat', sampler: 'euler' };
const REQUEST = { prompt: 'a red apple', seed: 11, n: 2, size: '64x32', providerOptions: { t2i: OWN } } as const;
const { size: _, providerOptions: __, ...SHARED } = REQUEST;

let expected: Uint8Array[];
let local: T2IProvider;
let server: Server;
let listening: Listening;

beforeAll(async () => {
  const pipeline = await Pipeline.load({ ...load, model: MODEL });
  const { images } = await pipeline.generate({ ...SHARED, ...OWN, width: 64, height: 32 });
  expected = await Promise.all(images.map((image) => image.toBuffer('png')));
  await pipeline.close();
  local = createT2I({ load });
  server = await createServer({ models: [{ id: 'tiny', model: MODEL }], load, apiKeys: [KEY] });
  listening = await listen(server, { port: 0, adminPort: 0 });
});
afterAll(async () => {
  await local.close();
  await listening.close();
  await server.close();
});

const remote = (apiKey = KEY) => createT2I({ baseURL: `${listening.url}/v1`, apiKey });
const MODELS = [
  { where: 'in this process', model: () => local.image(MODEL), other: () => local.image('no-such-model') },
  { where: 'on a server', model: () => remote().image('tiny'), other: () => remote().image('no-such-model') },
];

it('a model of the AI SDK in this process gives the bytes that a pipeline gives', async () => {
  const { images } = await generateImage({ ...REQUEST, model: local.image(MODEL) });
  expect(images.map(({ uint8Array }) => sha256(uint8Array))).toEqual(expected.map(sha256));
});

describe.each(MODELS)('a model of the AI SDK 6, $where', ({ model, other }) => {
  it('gives the images of its seeds, with the pixels that a pipeline gives', async () => {
    const { images, warnings, providerMetadata, responses } = await generateImage({ ...REQUEST, model: model() });
    expect(images.map(({ mediaType }) => mediaType)).toEqual(['image/png', 'image/png']);
    expect(await pixels(images.map(({ uint8Array }) => uint8Array))).toEqual(await pixels(expected));
    expect(warnings).toEqual([]);
    expect(providerMetadata).toMatchObject({ t2i: { images: [{ seed: 11 }, { seed: 12 }] } });
    expect(responses).toMatchObject([{ timestamp: expect.any(Date), modelId: model().modelId }]);
  });

  it('makes images of random seeds, which it tells, where none is given', async () => {
    const { image, providerMetadata } = await generateImage({ model: model(), prompt: 'a red apple' });
    const { seed } = await readReceipt(image.uint8Array);
    expect(providerMetadata).toMatchObject({ t2i: { images: [{ seed }] } });
  });

  it('warns of what it cannot do, and of what the request says in vain', async () => {
    const { warnings } = await generateImage({
      model: model(),
      prompt: { text: 'a red apple', images: [new Uint8Array([1])], mask: new Uint8Array([2]) },
      aspectRatio: '1:1',
      providerOptions: { t2i: { guidanceScale: 1, negativePrompt: 'a cat', steps: 1 } },
    });
    expect(warnings).toEqual([
      { type: 'unsupported', feature: 'aspectRatio', details: expect.any(String) },
      { type: 'unsupported', feature: 'files', details: expect.any(String) },
      { type: 'unsupported', feature: 'mask', details: expect.any(String) },
      { type: 'other', message: expect.stringMatching(/negative prompt has no effect/) },
    ]);
  });

  it('refuses unknown options by name before anything is sent or loaded', async () => {
    const options = { model: other(), prompt: 'x', providerOptions: { t2i: { stepz: 3, style: 'vivid' } } };
    await expect(generateImage(options)).rejects.toMatchObject({
      code: 'OPTION_INVALID',
      message: expect.stringMatching(/t2i\.stepz: unknown option.*did you mean "steps".*t2i\.style: unknown/),
    });
  });

  it('refuses what the model cannot do by the names of the call, every mistake at once', async () => {
    const options = { model: model(), prompt: 'x', size: '33x32', providerOptions: { t2i: { steps: 0 } } } as const;
    const error = await generateImage(options).catch((caught) => caught);
    expect(error).toMatchObject({ code: 'OPTION_INVALID' });
    expect(error.issues.map(({ option }: { option: string }) => option.replace(/ .*/, '')).sort()).toEqual([
      'providerOptions.t2i.steps',
      'size',
    ]);
  });

  it('says that there is no such model', async () => {
    await expect(generateImage({ model: other(), prompt: 'x' })).rejects.toMatchObject({ code: 'MODEL_NOT_FOUND' });
  });

  it('ends with the reason of an abort, before and in the middle', async () => {
    const abortSignal = AbortSignal.abort('enough');
    await expect(generateImage({ model: model(), prompt: 'x', abortSignal })).rejects.toBe('enough');
    const controller = new AbortController();
    const providerOptions = { t2i: { steps: 100 } };
    const call = { model: model(), prompt: 'x', n: 4, size: '256x256', providerOptions } as const;
    const running = generateImage({ ...call, abortSignal: controller.signal });
    setTimeout(() => controller.abort('enough'), 20);
    await expect(running).rejects.toBe('enough');
    // Nothing of the rest stands in the way of the next one.
    const { images } = await generateImage({ model: model(), prompt: 'x', providerOptions: { t2i: { steps: 1 } } });
    expect(images).toHaveLength(1);
  });
});

it('a server with keys refuses a wrong one, which no error repeats', async () => {
  const error = await generateImage({ model: remote('a-wrong-key').image('tiny'), prompt: 'x' }).catch(
    (caught) => caught,
  );
  expect(error).toMatchObject({ code: 'ACCESS_DENIED', hint: expect.stringMatching(/apiKey/) });
  expect(JSON.stringify([error.message, error.hint])).not.toContain('a-wrong-key');
});

it('the AI SDK 7 takes both models as they are, in a newer Node', skipFor(noLinuxX64), async () => {
  const script = fileURLToPath(new URL('../support/ai-7.mjs', import.meta.url));
  const input = JSON.stringify({ baseURL: `${listening.url}/v1`, MODEL, KEY, REQUEST, load });
  // Not started synchronously: the server is in this process.
  const child = spawn(nodeBinary('22.23.3'), [script], { stdio: ['pipe', 'pipe', 'inherit'] });
  child.stdin.end(input);
  const results = JSON.parse(await text(child.stdout));
  const each = { pixels: await pixels(expected), warnings: [], seeds: [11, 12], logged: [] };
  expect(results).toEqual([each, each]);
});
