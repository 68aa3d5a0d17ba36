import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { PARAMS } from '../../../../src/ops/params/schema.js';
import { integer, list, real, registeredName, size } from '../../../../src/ops/params/values.js';

describe('a number', () => {
  it.each([
    ['12', 12],
    [' 12 ', 12],
    ['+1.5', 1.5],
    ['-3', -3],
    ['.25', 0.25],
    ['10.', 10],
    ['1e-4', 1e-4],
    ['2E12', 2e12],
    ['1.5e+10', 1.5e10],
    [7, 7],
  ])('may be text: %j', (value, expected) => {
    expect(real(-1e13, 1e13).parse(value)).toBe(expected);
  });

  it.each([
    '',
    ' ',
    'x12',
    '12x',
    '1 2',
    '0x10',
    '1e',
    'e4',
    '.',
    '--1',
    '1.x',
    '.x',
    true,
    null,
    [5],
    'Infinity',
    NaN,
  ])('is nothing else: %j', (value) => {
    expect(real(-1e13, 1e13).safeParse(value).success).toBe(false);
  });
});

describe('a list', () => {
  const numbers = list(integer(1, 99), 1, 3);

  it('may be text with commas, or one number', () => {
    expect(numbers.parse('64, 8 ,16')).toEqual([64, 8, 16]);
    expect(numbers.parse(64)).toEqual([64]);
    expect(numbers.parse(['64', 8])).toEqual([64, 8]);
    expect(list(z.string(), 1, 3).parse('a, b')).toEqual(['a', 'b']);
  });

  it('has as many as it says', () => {
    for (const wrong of [[], '', [1, 2, 3, 4], '1,2,3,4']) expect(numbers.safeParse(wrong).success).toBe(false);
  });
});

it('a size is one number for both sides, or two', () => {
  const sides = size(1, 64);
  for (const [value, expected] of [
    [16, [16, 16]],
    ['8,16', [8, 16]],
    [
      ['8', 16],
      [8, 16],
    ],
  ]) {
    expect(sides.parse(value)).toEqual(expected);
  }
  for (const wrong of [[8], [8, 8, 8], 65, '0,8']) expect(sides.safeParse(wrong).success).toBe(false);
});

it.each([' ', 'a/b', 'a:b', ''])('no model is registered, and no experiment begun, as %j', (name) => {
  expect(registeredName.safeParse(name).success).toBe(false);
  const experiment = PARAMS.safeParse({ mlflow: { experiment_name: name } });
  expect(experiment.success).toBe(name.trim() !== '');
});
