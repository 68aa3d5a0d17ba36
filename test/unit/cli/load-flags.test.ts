import { describe, expect, it } from 'vitest';
import { readLoadFlags, toNumber } from '../../../src/cli/load-flags.js';

describe('a number that is typed', () => {
  it.each([
    ['7', 7],
    ['007', 7],
    ['+30', 30],
    ['-12.75', -12.75],
    ['.25', 0.25],
    ['5.', 5],
    ['1e3', 1000],
    ['1E+3', 1000],
    ['25e-2', 0.25],
    ['1.5e12', 1.5e12],
  ])('as %j is %d', (typed, number) => {
    expect(toNumber(typed)).toBe(number);
  });

  it.each([
    ...['', ' ', ' 5', '5 ', '.', '..5', '.x', 'e5', '1e', '1e+', '1ex', 'x1', '1x', '--1', '0x10', '1,5', 'Infinity'],
    ...['NaN', true, undefined, 7],
  ])('is left as it is for the check that names it where it is none: %j', (typed) => {
    expect(toNumber(typed)).toBe(typed);
  });

  it('is left as it is where it is one of a list', () => {
    const list = ['7'];
    expect(toNumber(list)).toBe(list);
  });
});

describe('the flags that open a model', () => {
  it('are options of Pipeline.load, without those that were left out', () => {
    expect(readLoadFlags({ model: 'tiny', device: '1', threads: 'x', strict: true, json: true })).toEqual({
      ...{ model: 'tiny', device: 1, threads: 'x', strict: true },
    });
    expect(readLoadFlags({ backend: 'auto', python: 'p', isolation: 'none' })).toEqual({
      ...{ backend: 'auto', python: 'p', isolation: 'none' },
    });
  });
});
