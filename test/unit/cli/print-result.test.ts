import { describe, expect, it } from 'vitest';
import { tellResult } from '../../../src/cli/print-result.js';
import { fakeIo } from '../../support/fake-io.js';

function told(value: unknown, flags = {}): string {
  const io = fakeIo();
  tellResult(value, { args: [], flags }, io);
  return io.out();
}

describe('what a stage made', () => {
  it('is a table whose names are words', () => {
    expect(told({ best_step: 16, float16ImagePsnr: 62.3412345, note: null, skipped: [] })).toBe(
      [
        'best step           16',
        'float16 image psnr  62.3412',
        'note                none',
        'skipped             none',
        '',
      ].join('\n'),
    );
  });

  it('tells lists and records in lines that can be read', () => {
    const value = {
      errors: [{ option: 'data.train_size', expected: '1 to 3', received: '9' }],
      skipped: [{ file: 'a.png', reason: 'broken' }],
      validation: { items: 4, latents: [4, 8, 8], noise: { steps: 1000, beta_start: 0.00085 } },
    };
    expect(told(value)).toBe(
      [
        'errors      data.train_size: expected 1 to 3, received 9',
        'skipped     file: a.png, reason: broken',
        'validation  items: 4',
        '            latents: 4, 8, 8',
        '            noise: steps 1000, beta_start 0.00085',
        '',
      ].join('\n'),
    );
  });

  it('has lists of lists, and lists within records, in one line each', () => {
    const value = {
      shapes: [
        [1, 2],
        [3, 4],
      ],
      model: { name: 'x', notes: [], empty: null, sizes: [[1, 2.5], []], at: { layers: [0.1234567, true], none: [] } },
    };
    expect(told(value)).toBe(
      [
        'shapes  1',
        '        2',
        '        3',
        '        4',
        'model   name: x',
        '        notes: none',
        '        empty: none',
        '        sizes: 1, 2.5, none',
        '        at: layers 0.123457, true, none none',
        '',
      ].join('\n'),
    );
  });

  it('tells as a mistake only what has an option, what was expected and what was received', () => {
    const issue = { option: 'x', expected: 'a', received: 'b' };
    expect(told({ at: issue })).toBe('at  x: expected a, received b\n');
    expect(told({ at: { ...issue, received: 3 } })).toBe('at  option: x, expected: a, received: 3\n');
  });

  it('has names of code in words, also behind a digit', () => {
    expect(told({ fp16Size: 1, snake_case_name: 3 })).toBe(['fp16 size        1', 'snake case name  3', ''].join('\n'));
  });

  it.each([
    ['one value', 'done\u001b[2J', 'done\\u{1b}[2J\n'],
    ['a number', 3, '3\n'],
    ['nothing', null, ''],
    ['no fields', {}, ''],
  ])('of %s is no table', (_, value, text) => {
    expect(told(value)).toBe(text);
  });

  it('is the very value with --json', () => {
    expect(JSON.parse(told({ best_step: null }, { json: true }))).toEqual({ best_step: null });
  });
});
