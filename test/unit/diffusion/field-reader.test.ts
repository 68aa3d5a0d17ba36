import { describe, expect, it } from 'vitest';
import { FieldReader } from '../../../src/diffusion/field-reader.js';

/** What a reader makes of one field, and what it says is wrong. */
function read<T>(value: unknown, by: (reader: FieldReader) => T): [T, ...string[]] {
  const reader = new FieldReader({ field: value }, 'a.json');
  const result = by(reader);
  return [result, ...reader.issues.map(({ option, expected, received }) => `${option}: ${expected}, not ${received}`)];
}

describe('a number', () => {
  const number = (value: unknown) => read(value, (reader) => reader.number('field', 0.5, 0, 1));

  it.each([0, 1, 0.25])('may be %s, within its range or at its ends', (value) => {
    expect(number(value)).toEqual([value]);
  });

  it.each([undefined, null])('is the default where it is %s', (value) => {
    expect(number(value)).toEqual([0.5]);
  });

  it.each<[unknown, string]>([
    [-0.001, '-0.001'],
    [1.001, '1.001'],
    ['0.5', '"0.5"'],
    [true, 'true'],
    [[0.5], 'a list of 1'],
    [{}, 'an object'],
  ])('is not %j', (value, received) => {
    expect(number(value)).toEqual([0.5, `a.json: field: a number from 0 to 1, not ${received}`]);
  });
});

describe('a list of numbers', () => {
  const numbers = (value: unknown) => read(value, (reader) => reader.numbers('field', 2, 0, 1));

  it('has its length, and each within the range or at its ends', () => {
    expect(numbers([0, 1])).toEqual([[0, 1]]);
    expect(numbers(undefined)).toEqual([null]);
  });

  it.each<[unknown, string]>([
    [[0], 'a list of 1'],
    [[0, 0, 0], 'a list of 3'],
    [[0, -0.001], 'a list of 2'],
    [[1.001, 0], 'a list of 2'],
    [[0, '0.5'], 'a list of 2'],
    ['0,1', '"0,1"'],
    [{ length: 2 }, 'an object'],
  ])('is not %j', (value, received) => {
    expect(numbers(value)).toEqual([null, `a.json: field: 2 numbers from 0 to 1, not ${received}`]);
  });
});

describe('the name of a class', () => {
  const named = (json: object) => {
    const reader = new FieldReader(json, 'a.json');
    return [reader.className(['Known'], ['x', 'y', 'z']), ...reader.issues.map(({ expected }) => expected)];
  };

  it('is a known one, or any beside a field that tells what it is', () => {
    expect(named({})).toEqual([null]);
    expect(named({ _class_name: 'Known' })).toEqual(['Known']);
    expect(named({ _class_name: 'Own', z: 1 })).toEqual(['Own']);
    const expected = 'a scheduler of Stable Diffusion, or one whose file has x, y or z';
    expect(named({ _class_name: 'Own' })).toEqual([null, expected]);
    expect(named({ _class_name: 7, z: 1 })).toEqual([null, expected]);
    expect(named({ _class_name: 'a b', z: 1 })).toEqual([null, expected]);
  });
});

it('shows what came in at most 80 characters, and null as null', () => {
  const received = (value: unknown) => {
    const reader = new FieldReader({ field: value }, 'a.json');
    reader.boolean('field', true);
    return reader.issues[0]?.received;
  };
  expect(received('a'.repeat(78))).toBe(`"${'a'.repeat(78)}"`);
  expect(received('a'.repeat(79))).toBe(`"${'a'.repeat(79)}...`);
  expect(new FieldReader(null, 'a.json').issues).toEqual([
    { option: 'a.json', expected: 'a JSON object', received: 'null' },
  ]);
});
