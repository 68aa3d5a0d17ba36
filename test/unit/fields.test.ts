import { describe, expect, it } from 'vitest';
import { describeValue, integer, oneOf, real, text, withoutUndefined } from '../../src/fields.js';

describe('a field', () => {
  it.each([
    ['an integer', integer(1, 3), [1, 3], [0, 4, 1.5, '2', null]],
    ['a number', real(0, 2, 'a number'), [0, 2, 0.5], [-0.1, 2.1, Number.NaN, Infinity, '1', 1n]],
    ['a text', text('a text', 1, 3), ['a', 'abc'], ['', 'abcd', 'a\0', 3, ['a']]],
    ['one of some names', oneOf(['a', 'b']), ['a', 'b'], ['c', ['a'], 0]],
  ])('for %s takes what lies within its bounds, and them', (_, field, right, wrong) => {
    expect(right.map((value) => field.accepts(value))).toEqual(right.map(() => true));
    expect(wrong.map((value) => field.accepts(value))).toEqual(wrong.map(() => false));
  });

  it('says which names there are', () => {
    expect([oneOf(['a']).expected, oneOf(['a', 'b']).expected]).toEqual(['a', 'one of a, b']);
  });
});

it('what is undefined is left out, and nothing else that is like nothing', () => {
  const given = withoutUndefined({ a: undefined, b: null, c: 0, d: '', e: false });
  expect(Object.entries(given)).toEqual([
    ['b', null],
    ['c', 0],
    ['d', ''],
    ['e', false],
  ]);
});

it('a value is told in a few words, and a text cut after sixty characters', () => {
  const told = [[1, 2], {}, null, undefined, 3, () => 0].map(describeValue);
  expect(told).toEqual(['a list of 2', 'an object', 'null', 'undefined', '3', 'a function']);
  expect(describeValue('x'.repeat(60))).toBe(JSON.stringify('x'.repeat(60)));
  expect(describeValue('x'.repeat(61))).toBe(JSON.stringify(`${'x'.repeat(60)}…`));
});
