import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createT2I } from '../../../src/ai/index.js';
import { answer, FAULTS, FakeServer } from '../../support/fake-server.js';

const KEY = 'the-key-of-the-server';
const ANSWER = {
  created: 1_760_000_000,
  data: [
    { b64_json: 'AAAA', seed: 5 },
    { b64_json: 'BBBB', seed: 6 },
  ],
  usage: { input_tokens: 3, output_tokens: 0, total_tokens: 3 },
  warnings: [{ code: 'PROMPT_CUT', message: 'The prompt was cut' }],
};
const CALL = {
  ...{ prompt: 'a fox', n: 2, size: undefined, aspectRatio: undefined, seed: undefined },
  ...{ files: undefined, mask: undefined, providerOptions: {} },
};

let server: FakeServer;
let said: unknown = ANSWER;
let status = 200;

beforeAll(async () => {
  server = await FakeServer.start((_, response) => answer(response, status, said, { 'x-request-id': 'r1' }));
});
beforeEach(() => {
  [said, status] = [ANSWER, 200];
  server.requests.length = 0;
});
afterAll(() => server.close());

const model = (path = '/v1') =>
  createT2I({ baseURL: server.url + path, apiKey: KEY, headers: { 'x-team': 'a' } }).image('m');

describe('a call to a server', () => {
  it('says what is asked for by the names that the server has, with the key and every header', async () => {
    const providerOptions = { t2i: { guidanceScale: 2, negativePrompt: 'a dog', preset: 'fast' } };
    const headers = { 'x-call': 'b', 'x-none': undefined };
    await model('/v1/').doGenerate({ ...CALL, seed: 5, size: '64x32', providerOptions, headers });
    const [sent] = server.requests;
    expect(sent).toMatchObject({ method: 'POST', path: '/v1/images/generations' });
    expect(JSON.parse(String(sent?.body))).toEqual({
      ...{ model: 'm', prompt: 'a fox', n: 2, seed: 5, size: '64x32', response_format: 'b64_json' },
      ...{ guidance_scale: 2, negative_prompt: 'a dog', preset: 'fast' },
    });
    expect(sent?.headers).toMatchObject({ authorization: `Bearer ${KEY}`, 'x-team': 'a', 'x-call': 'b' });
    expect(sent?.headers).not.toHaveProperty('x-none');
  });

  it('gives images as they come, seeds, usage, warnings and what was answered when', async () => {
    expect(await model().doGenerate(CALL)).toEqual({
      images: ['AAAA', 'BBBB'],
      warnings: [{ type: 'other', message: 'The prompt was cut' }],
      response: {
        timestamp: new Date(1_760_000_000_000),
        modelId: 'm',
        headers: expect.objectContaining({ 'x-request-id': 'r1' }),
      },
      providerMetadata: { t2i: { images: [{ seed: 5 }, { seed: 6 }] } },
      usage: { inputTokens: 3, outputTokens: 0, totalTokens: 3 },
    });
  });

  it('is made again where the server asks for that, and gives up in the end', async () => {
    server.fail(/generations/, FAULTS.status(429), 2);
    expect((await model().doGenerate(CALL)).images).toHaveLength(2);
    expect(server.requests).toHaveLength(3);
    server.fail(/generations/, FAULTS.status(503), 3);
    await expect(model().doGenerate(CALL)).rejects.toMatchObject({ code: 'NETWORK_FAILED' });
    expect(server.requests).toHaveLength(6);
  });

  it.each([
    ['an image too few', { ...ANSWER, data: ANSWER.data.slice(1) }, /expected 2 images in base64.*received 1/],
    ['no seed', { ...ANSWER, data: [{ b64_json: 'AAAA' }, ANSWER.data[1]] }, /each with its seed/],
    ['addresses', { ...ANSWER, data: [{ url: 'x', seed: 1 }, ANSWER.data[1]] }, /2 images in base64/],
    ['a list', [], /2 images in base64/],
    ['no JSON', 'hello', /expected JSON/],
  ])('refuses an answer that is none: %s', async (_, json, message) => {
    said = json;
    await expect(model().doGenerate(CALL)).rejects.toMatchObject({
      code: 'REMOTE_REFUSED',
      message: expect.stringMatching(message),
    });
  });

  it('tells every mistake that the server found, by the names of the call', async () => {
    status = 400;
    const issues = [
      { param: 'guidance_scale', message: 'guidance_scale: expected a number from 0 to 1000, received 5000' },
      { param: 'n', message: 'n: expected at most 1, received 2' },
    ];
    said = { error: { message: 'two mistakes', code: 'option_invalid', hint: 'Look at it.', issues } };
    await expect(model().doGenerate(CALL)).rejects.toMatchObject({
      code: 'OPTION_INVALID',
      hint: 'Look at it.',
      message:
        'providerOptions.t2i.guidanceScale: expected a number from 0 to 1000, received 5000; n: expected at most 1, received 2',
      issues: [
        { option: 'providerOptions.t2i.guidanceScale', expected: 'a number from 0 to 1000', received: '5000' },
        { option: 'n', expected: 'at most 1', received: '2' },
      ],
    });
  });

  it('says where the address is that of something else', async () => {
    status = 404;
    said = { detail: 'Not Found' };
    await expect(model('').doGenerate(CALL)).rejects.toMatchObject({
      code: 'REMOTE_REFUSED',
      hint: expect.stringMatching(/ends in \/v1/),
    });
  });
});

describe('a provider', () => {
  const mistakes = (options: object) => {
    try {
      createT2I(options);
    } catch (error) {
      return (error as Error).message;
    }
    return null;
  };

  it('refuses every mistake of its options at once, and shows no key', () => {
    expect(mistakes({ baseUrl: 'x', baseURL: 'ftp://x', apiKey: 7 })).toMatch(
      /baseUrl: unknown option.*baseURL: expected an http or https address.*apiKey: expected a key, received another value/,
    );
    expect(mistakes({ apiKey: KEY, headers: {} })).toMatch(/^apiKey: expected nothing without baseURL.*; headers: /);
    expect(mistakes({ apiKey: KEY })).not.toContain(KEY);
    expect(mistakes({ baseURL: server.url, load: {} })).toMatch(/^load: expected nothing beside baseURL/);
    expect(mistakes({ baseURL: server.url, headers: { a: 1 } })).toMatch(/^headers: /);
    expect(mistakes({ baseURL: server.url, headers: 'a' })).toMatch(/^headers: /);
    for (const baseURL of [7, '127.0.0.1', 'ftp://http://x', 'xhttp://a', 'httpsx://a'])
      expect(mistakes({ baseURL })).toMatch(/^baseURL: expected an http or https address/);
    expect(mistakes({ baseURL: server.url, apiKey: '' })).toMatch(/^apiKey: expected a key, received another value/);
    expect(mistakes({ load: 7 })).toMatch(/^load: expected an object, received 7/);
    for (const options of [
      { baseURL: 'https://a/v1' },
      { baseURL: server.url, apiKey: KEY, headers: { a: 'b' } },
      { load: {} },
    ])
      expect(mistakes(options)).toBeNull();
  });

  it('says no key where it was given none, whatever ends its address', async () => {
    await createT2I({ baseURL: `${server.url}/v1//` })
      .image('m')
      .doGenerate(CALL);
    const [{ path, headers } = { path: '', headers: {} }] = server.requests;
    expect(path).toBe('/v1/images/generations');
    expect(headers).not.toHaveProperty('authorization');
  });

  it('has images alone', () => {
    const provider = createT2I();
    expect(provider.imageModel('m')).toMatchObject({ specificationVersion: 'v3', provider: 't2i', modelId: 'm' });
    for (const ask of [provider.languageModel, provider.embeddingModel]) {
      expect(() => ask('gpt')).toThrow(expect.objectContaining({ code: 'MODEL_NOT_FOUND' }));
    }
  });
});
