import { describe, expect, it } from 'vitest';
import { attemptName, jobName, readAttempt } from '../../../../src/ops/sagemaker/names.js';

const HASH = '0123456789ab';

describe('the name of a job', () => {
  it.each([
    ['run_1', /^t2i-run-1-[0-9a-f]{12}$/],
    ['a..__b', /^t2i-a-b-[0-9a-f]{12}$/],
    ['_both_', /^t2i-both-[0-9a-f]{12}$/],
    ['___', /^t2i-[0-9a-f]{12}$/],
    ['x'.repeat(100), /^t2i-x{42}-[0-9a-f]{12}$/],
    // No dash is left where a name is cut.
    [`${'x'.repeat(41)}.y`, /^t2i-x{41}-[0-9a-f]{12}$/],
  ])('of the run %s is made of it', (run, pattern) => {
    expect(jobName(run, {})).toMatch(pattern);
  });

  it('is the same for the same values, in whichever order their keys are, and another for others', () => {
    const values: unknown[] = [
      { a: 1, b: [{ c: null, d: 'x' }] },
      { a: 1, b: [{ c: null, d: 'y' }] },
      { a: 1, b: [{ c: 0, d: 'x' }] },
      { a: 1, b: { 0: { c: null, d: 'x' } } },
      { a: 1, b: [{ d: 'x' }] },
      { a: 1, b: [] },
      { a: 1 },
      [1, 2],
      [2, 1],
      'a',
      null,
    ];
    expect(new Set(values.map((value) => jobName('one', value))).size).toBe(values.length);
    const [first] = values.map((value) => jobName('one', value));
    expect(jobName('one', { b: [{ d: 'x', c: null, e: undefined }], a: 1, z: undefined })).toBe(first);
    expect(jobName('one', { c: 1, a: 2, b: 3 })).toBe(jobName('one', { b: 3, c: 1, a: 2 }));
  });

  it.each([
    [`t2i-one-${HASH}`, `t2i-one-${HASH}`, 1],
    [`t2i-one-${HASH}-2`, `t2i-one-${HASH}`, 2],
    [`t2i-one-${HASH}-123`, `t2i-one-${HASH}`, 123],
    [`t2i-${HASH}-12`, `t2i-${HASH}`, 12],
    // Those of others are whole.
    [`my-t2i-one-${HASH}-2`, `my-t2i-one-${HASH}-2`, 1],
    [`t2i-one-${HASH}-2-more`, `t2i-one-${HASH}-2-more`, 1],
    [`t2i-one-${HASH}-1234`, `t2i-one-${HASH}-1234`, 1],
    ['t2i-a-2', 't2i-a-2', 1],
  ])('%s is an attempt of %s, number %i', (name, base, attempt) => {
    expect(readAttempt(name)).toEqual({ base, attempt });
    expect(attemptName(base, attempt)).toBe(name);
  });
});
