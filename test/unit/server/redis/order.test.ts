import { describe, expect, it } from 'vitest';
import { MAX_IMAGES, MAX_PROMPT_LENGTH } from '../../../../src/options.js';
import { Refusal } from '../../../../src/server/http/refusal.js';
import {
  ForeignContent,
  failed,
  readEnd,
  readEvent,
  readOrder,
  type SharedOrder,
  writeOrder,
} from '../../../../src/server/redis/order.js';

const REQUEST = {
  ...{ prompt: 'a cat', negativePrompt: '', seeds: [1, 2], steps: 5, guidanceScale: 1, sampler: 'ddim' },
  ...{ sigmas: null, eta: 0, width: 32, height: 32, previewEvery: 0 },
};
const JOB = { caller: 'a', createdAt: 1, file: { format: 'webp', compression: 80 }, warnings: [] };
const ORDER = { model: 'formula', key: 'key-1', api: 'jobs', request: REQUEST, job: JOB };
const FAILED = { kind: 'failed', error: { status: 503, code: 'a_code', message: 'why' } };
const long = (length: number) => 'x'.repeat(length);
const warning = { code: 'a', message: 'b' };

/** A copy with another value at a path such as `request.steps`. */
function withValue<T>(value: T, path: string, put: unknown): T {
  const [name = '', ...rest] = path.split('.');
  const at = value as Record<string, unknown>;
  return { ...at, [name]: rest.length === 0 ? put : withValue(at[name], rest.join('.'), put) } as T;
}

describe('an order in Redis', () => {
  it('is read as it was written, with what another server needs to answer for it', () => {
    for (const order of [ORDER, { ...ORDER, job: undefined }] as SharedOrder[]) {
      expect(readOrder(writeOrder(order))).toEqual(order);
    }
  });

  it.each<[path: string, good: readonly unknown[], bad: readonly unknown[]]>([
    ['v', [1], [2, '1', undefined]],
    ['model', ['a', long(200)], ['', long(201), 7]],
    ['key', ['a'], ['', long(201)]],
    ['request.prompt', ['', long(MAX_PROMPT_LENGTH)], [long(MAX_PROMPT_LENGTH + 1), null]],
    ['request.seeds', [[0], Array(MAX_IMAGES).fill(7)], [[], Array(MAX_IMAGES + 1).fill(7), [-1], [1.5], 7]],
    ['request.steps', [1, 1000], [0, 1001, 1.5]],
    ['request.guidanceScale', [0, 1000], [-0.1, 1000.1, null]],
    ['request.sampler', ['a', long(200)], ['', long(201)]],
    ['request.replacement', [undefined, 'why'], [7]],
    ['request.sigmas', ['default', 'karras', null], ['other', undefined]],
    ['request.eta', [0, 1, null], [-0.1, 1.1]],
    ['request.width', [1, 65_535], [0, 65_536]],
    ['request.height', [1, 65_535], [0, 65_536]],
    ['request.previewEvery', [0, 1000], [-1, 1001]],
    ['request.run', [undefined], ['rm']],
    ['job', [undefined], [null, {}]],
    ['job.createdAt', [0], [-1, 0.5]],
    ['job.file.format', ['png', 'jpeg', 'webp'], ['exe']],
    ['job.file.compression', [0, 100, undefined], [-1, 101]],
    ['job.file.path', [undefined], ['/etc']],
    ['job.warnings', [Array(20).fill(warning)], [Array(21).fill(warning), [{ ...warning, more: 1 }], [{ code: 'a' }]]],
    ['job.admin', [undefined], [true]],
    ['admin', [undefined], [true]],
  ])('is taken with every %s that may be, and is foreign with any other', (path, good, bad) => {
    const textWith = (value: unknown) => JSON.stringify(withValue({ v: 1, ...ORDER }, path, value));
    for (const value of good) expect(() => readOrder(textWith(value))).not.toThrow();
    for (const value of bad) expect(() => readOrder(textWith(value))).toThrow(ForeignContent);
  });

  it('that is foreign is told by the places that are wrong, five at most, and never by what stands there', () => {
    const wrong = { ...REQUEST, prompt: 7, steps: 'canary', width: 0, height: 0, sampler: '', eta: 'canary' };
    const problem = () => readOrder(JSON.stringify({ v: 1, ...ORDER, request: wrong }));
    expect(problem).toThrow(/order in Redis.*request\.prompt \(\w+\), request\.steps \(/);
    expect(problem).not.toThrow(/canary/);
    expect(problem).toThrow(/^(?:[^(]*\([^)]*\)){5}$/);
    expect(() => readOrder('7')).toThrow(/itself \(/);
    expect(() => readOrder('{')).toThrow(expect.objectContaining({ cause: expect.any(SyntaxError) }));
    expect(() => readOrder('{"canary')).toThrow(/^The order in Redis is not valid JSON$/);
  });
});

describe('the end of an order', () => {
  it.each([
    ['without more', {}, ['status', 'code', 'message']],
    [
      'with a hint and a time to wait',
      { hint: 'do', retryAfter: 0 },
      ['status', 'code', 'message', 'hint', 'retryAfter'],
    ],
  ])('that failed %s is read as it was written', (_, options, keys) => {
    const end = failed(new Refusal(503, 'a_code', 'why', options));
    expect(Object.keys((end as typeof FAILED).error)).toEqual(keys);
    expect(readEnd(JSON.stringify(end))).toEqual({ kind: 'failed', error: { ...FAILED.error, ...options } });
  });

  it.each<[path: string, good: readonly unknown[], bad: readonly unknown[]]>([
    ['kind', ['failed'], ['completed', 'other']],
    ['error.status', [400, 599], [399, 600, 400.5]],
    ['error.code', ['a', long(64)], ['', long(65), 'A', 'a-b', 'a\n', 'a b']],
    ['error.message', ['', long(MAX_PROMPT_LENGTH)], [long(MAX_PROMPT_LENGTH + 1), undefined]],
    ['error.hint', [undefined, 'do'], [7]],
    ['error.retryAfter', [undefined, 0, 60], [-1, 0.5]],
    ['error.stack', [undefined], ['at']],
  ])('is taken with every %s that may be, and is foreign with any other', (path, good, bad) => {
    const textWith = (value: unknown) => JSON.stringify(withValue(FAILED, path, value));
    for (const value of good) expect(() => readEnd(textWith(value))).not.toThrow();
    for (const value of bad) expect(() => readEnd(textWith(value))).toThrow(ForeignContent);
  });

  it('may be completed or cancelled, and nothing with it', () => {
    for (const kind of ['completed', 'cancelled']) {
      expect(readEnd(JSON.stringify({ kind }))).toEqual({ kind });
      expect(() => readEnd(JSON.stringify({ kind, error: FAILED.error }))).toThrow(/end of an order/);
    }
  });
});

describe('what became of an order', () => {
  const step = ['type', 'step', 'image', '0', 'step', '12', 'steps', '30'];

  it.each<[fields: readonly string[], event: unknown]>([
    [['type', 'start'], { type: 'start' }],
    [['type', 'back'], { type: 'back' }],
    [step, { type: 'step', image: 0, step: 12, steps: 30 }],
    [[...step, 'preview', '7'], { type: 'step', image: 0, step: 12, steps: 30, preview: '7' }],
    [['type', 'image', 'image', '999999999'], { type: 'image', image: 999_999_999 }],
    [['type', 'end', 'end', '{"kind":"completed"}'], { type: 'end', end: { kind: 'completed' } }],
  ])('is read from %j', (fields, event) => expect(readEvent(fields)).toEqual(event));

  it.each([
    [['type', 'run']],
    [[]],
    [['type', 'start', 'more', '1']],
    [['type', 'start', '__proto__', '{}']],
    [['type', 'image']],
    [step.slice(0, -2)],
    ...['-1', '1.5', '1e3', '', ' 1', '1234567890', '0x1', 'x1', '1x'].map((image) => [
      ['type', 'image', 'image', image],
    ]),
    [['type', 'end']],
    [['type', 'end', 'end', '{']],
    [['type', 'end', 'end', '{"kind":"other"}']],
  ])('is foreign in %j', (fields) => expect(() => readEvent(fields)).toThrow(ForeignContent));
});
