import { describe, expect, it } from 'vitest';
import { readAnswer, refusalOf, toBody } from '../../../src/ai/wire.js';
import { T2IError } from '../../../src/errors.js';

const URL = 'http://127.0.0.1:8080/v1/images/generations';
const IMAGE = { b64_json: 'AAAA', seed: 5 };

describe('the body of a request', () => {
  it('has a size where one is asked for, and never an option by our name', () => {
    expect(toBody('m', { prompt: 'a fox' })).toEqual({ model: 'm', prompt: 'a fox', response_format: 'b64_json' });
    const options = { prompt: 'a fox', width: 64, height: 32, guidanceScale: 0, negativePrompt: '', eta: 0 };
    expect(toBody('m', options)).toEqual({
      ...{ model: 'm', prompt: 'a fox', size: '64x32', response_format: 'b64_json' },
      ...{ guidance_scale: 0, negative_prompt: '', eta: 0 },
    });
  });
});

describe('an answer', () => {
  it('may leave out when it was made, what it took and warnings', () => {
    const before = Date.now();
    const read = readAnswer({ data: [IMAGE] }, 1, URL);
    expect(read).toEqual({
      images: ['AAAA'],
      seeds: [5],
      created: expect.any(Date),
      usage: { inputTokens: undefined, outputTokens: undefined, totalTokens: undefined },
      told: [],
    });
    expect(read.created.getTime()).toBeGreaterThanOrEqual(before);
  });

  it('is read for what is of its type alone', () => {
    const json = {
      created: '2026',
      data: [IMAGE],
      usage: { input_tokens: '3', output_tokens: 0, total_tokens: null },
      warnings: ['cut', null, { message: 7 }, { message: 'cut' }],
    };
    const { created, usage, told } = readAnswer(json, 1, URL);
    expect(Number.isNaN(created.getTime())).toBe(false);
    expect(usage).toEqual({ inputTokens: undefined, outputTokens: 0, totalTokens: undefined });
    expect(told).toEqual(['cut']);
    expect(readAnswer({ ...json, usage: [1], warnings: { message: 'cut' } }, 1, URL).told).toEqual([]);
  });

  it.each([
    ['a list in the place of an object', [IMAGE], 1, '0'],
    ['an image too many', { data: [IMAGE, IMAGE] }, 1, '2'],
    ['data that is no list', { data: { 0: IMAGE, length: 1 } }, 1, '0'],
    ['an image that is none', { data: [IMAGE, 'AAAA'] }, 2, 'others'],
    ['nothing in the place of one', { data: [null] }, 1, 'others'],
    ['bytes that are no text', { data: [{ ...IMAGE, b64_json: 7 }] }, 1, 'others'],
    ['a seed that is no number', { data: [{ ...IMAGE, seed: '5' }] }, 1, 'others'],
    ['one seed of two', { data: [IMAGE, { ...IMAGE, seed: 2 ** 53 }] }, 2, 'others'],
  ])('is refused with %s', (_, json, n, received) => {
    const expected = `${URL}: expected ${n} images in base64, each with its seed, received ${received}`;
    expect(() => readAnswer(json, n, `${URL}?key=secret`)).toThrow(
      expect.objectContaining({ code: 'REMOTE_REFUSED', message: expected, hint: expect.stringMatching(/t2i serve/) }),
    );
  });
});

describe('a refusal', () => {
  const of = (error: unknown) => refusalOf({ error }, URL) as T2IError;

  it('keeps the code that this package has, its sentence and its hint', () => {
    expect(of({ message: 'no model', code: 'model_not_found', hint: 'Name another.' })).toMatchObject({
      ...{ code: 'MODEL_NOT_FOUND', message: 'no model', hint: 'Name another.', issues: [] },
    });
    for (const code of ['billing_hard_limit', 'constructor', null, undefined])
      expect(of({ message: 'no', code, hint: 7 })).toMatchObject({ code: 'REMOTE_REFUSED', hint: undefined });
  });

  it('has each mistake that is one, whatever it begins with', () => {
    const issues = [
      { param: 'size', message: 'another form' },
      { param: 'seed', message: 'seed: expected a number,\nor none, received "x",\nreceived twice' },
      { param: 'n', message: 'n: too many' },
      { param: 'guidance_scale', message: 'not now: guidance_scale: expected 1, received 2' },
      ...[null, 'n', { param: 'n' }, { message: 'n' }, { param: 7, message: 'n' }, { param: 'n', message: 7 }],
    ];
    expect(of({ message: 'wrong', code: 'option_invalid', issues }).issues).toEqual([
      { option: 'size', expected: 'another form', received: 'something else', problem: 'another form' },
      {
        option: 'seed',
        expected: 'a number,\nor none',
        received: '"x",\nreceived twice',
        problem: 'expected a number,\nor none, received "x",\nreceived twice',
      },
      { option: 'n', expected: 'too many', received: 'something else', problem: 'too many' },
      {
        option: 'providerOptions.t2i.guidanceScale',
        expected: 'not now: guidance_scale: expected 1, received 2',
        received: 'something else',
        problem: 'not now: guidance_scale: expected 1, received 2',
      },
    ]);
    expect(of({ message: 'wrong', issues: { length: 1 } }).issues).toEqual([]);
  });

  it.each([
    ['a text', 'no'],
    ['nothing', null],
    ['no sentence', { code: 'option_invalid' }],
  ])('is no error as OpenAI writes it with %s', (_, error) => {
    expect(of(error)).toMatchObject({
      ...{ code: 'REMOTE_REFUSED', message: `${URL}: expected an error as OpenAI writes it` },
      hint: expect.stringMatching(/^baseURL /),
    });
    expect(T2IError.is(refusalOf(error, URL))).toBe(true);
  });
});
