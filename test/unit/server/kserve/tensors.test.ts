import { describe, expect, it } from 'vitest';
import { bytesTensor, int64Tensor, readTensors } from '../../../../src/server/kserve/tensors.js';

const bytes = (...values: readonly number[]) => Uint8Array.from(values);
/** A tensor whose values stand behind the JSON. */
const behind = (datatype: string, shape: readonly number[], size: number) => ({
  ...{ name: 'x', datatype, shape, parameters: { binary_data_size: size } },
});
const issue = (expected: RegExp, received: RegExp) => [
  { option: 'x', expected: expect.stringMatching(expected), received: expect.stringMatching(received) },
];

describe('a binary tensor', () => {
  it.each<[datatype: string, written: ArrayBufferView, values: readonly number[]]>([
    ['BOOL', bytes(1, 0), [1, 0]],
    ['UINT8', bytes(7, 255), [7, 255]],
    ['UINT16', bytes(2, 1, 255, 255), [258, 65_535]],
    ['UINT32', bytes(2, 1, 0, 0, 255, 255, 255, 255), [258, 2 ** 32 - 1]],
    ['UINT64', bytes(2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0), [258, 2 ** 32]],
    ['INT8', bytes(7, 255), [7, -1]],
    ['INT16', bytes(2, 1, 254, 255), [258, -2]],
    ['INT32', bytes(2, 1, 0, 0, 254, 255, 255, 255), [258, -2]],
    ['INT64', bytes(2, 1, 0, 0, 0, 0, 0, 0, 254, 255, 255, 255, 255, 255, 255, 255), [258, -2]],
    ['FP32', bytes(0, 0, 32, 64, 0, 0, 192, 191), [2.5, -1.5]],
    ['FP64', bytes(0, 0, 0, 0, 0, 0, 4, 64, 0, 0, 0, 0, 0, 0, 248, 191), [2.5, -1.5]],
  ])('of %s is read as little-endian numbers', (datatype, written, values) => {
    const read = readTensors([behind(datatype, [2], written.byteLength)], written as Uint8Array);
    expect(read).toEqual({ values: new Map([['x', values]]), issues: [] });
  });

  it('of texts has each behind its length, and one may be empty', () => {
    const written = bytes(3, 0, 0, 0, 0xe2, 0x82, 0xac, 0, 0, 0, 0);
    const read = readTensors([behind('BYTES', [2], written.length)], written);
    expect(read).toEqual({ values: new Map([['x', ['€', '']]]), issues: [] });
  });

  it.each<[what: string, datatype: string, written: Uint8Array]>([
    ['half a length', 'BYTES', bytes(1, 0, 0)],
    ['half a length behind a text', 'BYTES', bytes(1, 0, 0, 0, 97, 1, 0, 0)],
    ['a text that ends beyond it', 'BYTES', bytes(3, 0, 0, 0, 97, 98)],
    ['half a number', 'INT32', bytes(7, 0, 0, 0, 1, 0)],
    ['a type that is not read', 'FP16', bytes(0, 60)],
    ['the name of a method as its type', 'toString', bytes(1, 0)],
    ['the name of the prototype as its type', '__proto__', bytes(1, 0)],
  ])('with %s is told as an issue', (_, datatype, written) => {
    const read = readTensors([behind(datatype, [1], written.length)], written);
    expect(read).toEqual({
      values: new Map(),
      issues: issue(new RegExp(datatype), new RegExp(`^${written.length} b`)),
    });
  });

  it('begins where the one before it ends, and one in JSON between them takes no bytes', () => {
    const tensors = [
      { ...behind('UINT8', [1], 1), name: 'a' },
      { name: 'b', datatype: 'INT32', shape: [1], data: [5] },
      { ...behind('UINT8', [2, 1], 2), name: 'c' },
    ];
    const read = readTensors(tensors, bytes(1, 2, 3));
    expect([...read.values]).toEqual([
      ['a', [1]],
      ['b', [5]],
      ['c', [2, 3]],
    ]);
  });

  it('that is said to be longer than what came is told as an issue', () => {
    expect(readTensors([behind('UINT8', [4], 4)], bytes(1, 2)).issues).toEqual(issue(/^4 values of UINT8/, /^2 bytes/));
  });
});

describe('a tensor in JSON', () => {
  const read = (datatype: string, shape: readonly number[], data?: unknown) =>
    readTensors([{ name: 'x', datatype, shape, data }], bytes());

  it.each<[datatype: string, shape: readonly number[], data: unknown, values: readonly (string | number)[]]>([
    ['BYTES', [2], ['a', 'b'], ['a', 'b']],
    ['FP32', [1], [2.5], [2.5]],
    [
      'INT64',
      [2, 2],
      [
        [1, 2],
        [3, 4],
      ],
      [1, 2, 3, 4],
    ],
    ['INT64', [], [7], [7]],
  ])('of %s and the shape %j may be nested', (datatype, shape, data, values) => {
    expect(read(datatype, shape, data)).toEqual({ values: new Map([['x', values]]), issues: [] });
  });

  it.each<[what: string, datatype: string, shape: readonly number[], data: unknown, received: RegExp]>([
    ['no values', 'BYTES', [1], undefined, /undefined/],
    ['a value that is no list', 'BYTES', [1], 'a', /"a"/],
    ['too few values', 'INT32', [3, 2], [1, 2, 3, 4, 5], /a list of 5/],
    ['one value among texts that is none', 'BYTES', [2], ['a', 1], /a list of 2/],
    ['a text as a number', 'INT32', [1], ['7'], /a list of 1/],
    ['a number as a text', 'BYTES', [1], [7], /a list of 1/],
    ['a type that is not read', 'FP16', [1], [7], /a list of 1/],
    ['the name of a method as its type', 'toString', [1], [7], /a list of 1/],
  ])('with %s is told as an issue', (_, datatype, shape, data, received) => {
    expect(read(datatype, shape, data)).toEqual({ values: new Map(), issues: issue(new RegExp(datatype), received) });
  });
});

it('what is answered in binary can be read again', () => {
  const written = [bytesTensor([bytes(97, 98), bytes()]), int64Tensor([7, 2 ** 53 - 1])] as const;
  const tensors = [
    { ...behind('BYTES', [2], written[0].length), name: 'image' },
    { ...behind('INT64', [2], written[1].length), name: 'seed' },
  ];
  const read = readTensors(tensors, new Uint8Array(Buffer.concat(written)));
  expect(Object.fromEntries(read.values)).toEqual({ image: ['ab', ''], seed: [7, 2 ** 53 - 1] });
});
