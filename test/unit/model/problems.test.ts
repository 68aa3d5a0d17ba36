import { describe, expect, it } from 'vitest';
import { T2IError } from '../../../src/errors.js';
import { names } from '../../../src/model/missing-graph.js';
import { invalidModel, Problems } from '../../../src/model/problems.js';

const ISSUE = { option: 'file', expected: 'one', received: 'two' };
/** The error with everything that was noted; undefined where nothing was. */
function thrown(problems: Problems): T2IError | undefined {
  try {
    problems.throwIfAny();
    return undefined;
  } catch (error) {
    return error as T2IError;
  }
}

describe('the problems of a model', () => {
  it('are none until one is noted', () => {
    const problems = new Problems();
    problems.addAll([], 'Do this.');
    expect(thrown(problems)).toBeUndefined();
    problems.add('file', 'one', 'two');
    expect(thrown(problems)).toMatchObject({
      code: 'MODEL_INVALID',
      message: 'The model cannot be used: file: expected one, received two.',
      hint: 'Export or download the model again, or name another one with --model.',
      issues: [ISSUE],
    });
  });

  it('are told with what helps with each, once, before what helps with any', () => {
    const problems = new Problems();
    problems.add('a', 'one', 'two');
    problems.add('b', 'one', 'two', 'Copy it.');
    problems.add('c', 'one', 'two', 'Copy it.');
    problems.addAll([ISSUE], 'Link it.');
    const { hint, issues } = thrown(problems) as T2IError;
    expect(hint).toBe('Copy it. Link it. Export or download the model again, or name another one with --model.');
    expect(issues.map(({ option }) => option)).toEqual(['a', 'b', 'c', 'file']);
    expect(invalidModel('file', 'one', 'two', 'Copy it.').hint).toBe('Copy it.');
  });

  it('hold those of a step that fails for the model alone', async () => {
    const problems = new Problems();
    expect(await problems.collect(() => 5)).toBe(5);
    expect(thrown(problems)).toBeUndefined();
    expect(
      await problems.collect(async () => Promise.reject(invalidModel('file', 'one', 'two', 'Copy it.'))),
    ).toBeNull();
    expect(thrown(problems)).toMatchObject({ issues: [ISSUE], hint: 'Copy it.' });
    for (const error of [new Error('a bug'), new T2IError('IO_FAILED', 'a full disk')]) {
      await expect(problems.collect(() => Promise.reject(error))).rejects.toBe(error);
    }
    expect(thrown(problems)?.issues).toHaveLength(1);
  });
});

it('ten paths are named, and how many more there are', () => {
  const paths = Array.from({ length: 12 }, (_, i) => `${i}`);
  expect(names(paths.slice(0, 1))).toBe('0');
  expect(names(paths.slice(0, 10))).toBe('0, 1, 2, 3, 4, 5, 6, 7, 8, 9');
  expect(names(paths.slice(0, 11))).toBe('0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 1 more');
  expect(names(paths)).toBe('0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more');
});
