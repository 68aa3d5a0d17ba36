import { describe, expect, it } from 'vitest';
import { vp8Coarseness } from '../../../src/image/vp8.js';

/** A number of the header in so many bits; null stands for one that is left out, behind its flag. */
type Field = readonly [value: number, bits: number];
const flag = (value: 0 | 1): Field => [value, 1];
const optional = (value: number | null, bits: number): Field[] =>
  value === null ? [flag(0)] : [flag(1), [Math.abs(value), bits], flag(value < 0 ? 1 : 0)];

/** The boolean entropy encoder (RFC 6386, 7.3) for bits that are equally likely. */
function encode(fields: readonly Field[]): Buffer {
  const bits = fields.flatMap(([value, length]) => Array.from({ length }, (_, i) => (value >> (length - 1 - i)) & 1));
  let [low, range, length] = [0n, 255, 8];
  for (const bit of bits) {
    const split = 1 + ((range - 1) >> 1);
    if (bit) low += BigInt(split);
    range = bit ? range - split : split;
    for (; range < 128; range *= 2) {
      low *= 2n;
      length++;
    }
  }
  const bytes = Math.ceil(length / 8);
  return Buffer.from((low << BigInt(8 * bytes - length)).toString(16).padStart(2 * bytes, '0'), 'hex');
}

interface Segments {
  updatesMap?: readonly (number | null)[];
  /** Four quantiser indices and four filter levels. */
  data?: { absolute: 0 | 1; indices: readonly (number | null)[]; levels: readonly (number | null)[] };
}
/** A key frame whose header says this, with a preamble in front and other data behind. */
function frame(
  base: number,
  segments: Segments | null = null,
  deltas: readonly (number | null)[] | null | 'kept' = null,
) {
  const { updatesMap, data } = segments ?? {};
  return Buffer.concat([
    Buffer.alloc(10, 0xff),
    encode([
      [0b01, 2],
      flag(segments ? 1 : 0),
      ...(segments ? [flag(updatesMap ? 1 : 0), flag(data ? 1 : 0)] : []),
      ...(data
        ? [
            flag(data.absolute),
            ...data.indices.flatMap((i) => optional(i, 7)),
            ...data.levels.flatMap((i) => optional(i, 6)),
          ]
        : []),
      ...(updatesMap ?? []).flatMap((value) => (value === null ? [flag(0)] : [flag(1), [value, 8] as Field])),
      // Kind, level and sharpness of the filter.
      flag(1),
      [0b110101, 6],
      [0b011, 3],
      ...(deltas === null ? [flag(0)] : deltas === 'kept' ? [flag(1), flag(0)] : [flag(1), flag(1)]),
      ...(Array.isArray(deltas) ? deltas.flatMap((delta) => optional(delta, 6)) : []),
      // Partitions, then the index itself.
      [0b10, 2],
      [base, 7],
      [0b1011001110001111, 16],
    ]),
  ]);
}

describe('the coarseness of a lossy WebP', () => {
  it.each([0, 1, 42, 63, 64, 100, 127])('is the index of its frame: %i', (base) => {
    expect(vp8Coarseness(frame(base))).toBe(base);
  });

  it('is found behind changes of the filter', () => {
    for (const deltas of ['kept', Array(8).fill(null), [1, -2, null, 63, -63, null, 0, 5]] as const) {
      expect(vp8Coarseness(frame(93, null, deltas))).toBe(93);
    }
  });

  it('is found behind segments that have no index of their own', () => {
    const levels = [63, null, -1, 0];
    const relative = { absolute: 0, indices: [1, -100, null, 127], levels } as const;
    for (const segments of [
      {},
      { updatesMap: [255, null, 128] },
      { updatesMap: [null, null, null] },
      { data: relative },
      { data: relative, updatesMap: [0, 1, null] },
    ]) {
      expect(vp8Coarseness(frame(77, segments)), JSON.stringify(segments)).toBe(77);
    }
  });

  it('is the mean of segments that have', () => {
    const levels = [null, null, 5, -5];
    const mean = (...indices: (number | null)[]) =>
      vp8Coarseness(frame(77, { data: { absolute: 1, indices, levels }, updatesMap: [1, 2, 3] }));
    expect(mean(10, 20, 30, 50)).toBe(27.5);
    expect(mean(127, 127, 127, 127)).toBe(127);
    expect(mean(null, 100, null, -20)).toBe(20);
  });

  it('is some number where the frame is damaged, which decodes to nothing', () => {
    for (const bytes of [Buffer.alloc(0), Buffer.alloc(10), Buffer.alloc(11, 0xff), frame(99).subarray(0, 12)]) {
      expect(vp8Coarseness(bytes)).toEqual(expect.any(Number));
    }
    expect(vp8Coarseness(frame(0).subarray(0, 10))).toBe(0);
  });
});
