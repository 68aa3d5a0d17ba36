import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fromHalf, writeHalves } from '../../../src/diffusion/float16.js';

function toHalf(value: number): number {
  const target = new Uint16Array(1);
  writeHalves(target, [value], 0);
  return target[0] as number;
}

describe('float16', () => {
  it.each([
    [0, 0x0000],
    [-0, 0x8000],
    [1, 0x3c00],
    [-2, 0xc000],
    [65504, 0x7bff],
    [65519.996, 0x7bff],
    [65520, 0x7c00],
    [1e30, 0x7c00],
    [Number.NEGATIVE_INFINITY, 0xfc00],
    [2 ** -24, 0x0001],
    [2 ** -25, 0x0000],
    [2 ** -25 * 1.0001, 0x0001],
    [2 ** -14, 0x0400],
    [1 + 2 ** -11, 0x3c00],
    [1 + 3 * 2 ** -11, 0x3c02],
  ])('writes %d as %i', (value, pattern) => {
    expect(toHalf(value)).toBe(pattern);
  });

  it('gives every pattern back that it read', () => {
    for (let pattern = 0; pattern < 0x10000; pattern++) {
      const value = fromHalf(pattern);
      if (Number.isNaN(value)) expect(toHalf(value) & 0x7fff).toBe(0x7e00);
      else expect(toHalf(value)).toBe(pattern);
    }
  });

  it('reads both infinities, and no others', () => {
    expect([0x7c00, 0xfc00].map(fromHalf)).toEqual([Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]);
    for (const pattern of [0x7c01, 0x7fff, 0xfc01, 0xffff]) expect(fromHalf(pattern)).toBeNaN();
  });

  it('takes the nearest of its neighbours', () => {
    fc.assert(
      fc.property(fc.float({ min: -65504, max: 65504, noNaN: true }), (value) => {
        const half = toHalf(value);
        const error = Math.abs(fromHalf(half) - value);
        for (const neighbour of [half - 1, half + 1]) {
          const other = fromHalf(neighbour & 0xffff);
          if (Number.isFinite(other)) expect(error).toBeLessThanOrEqual(Math.abs(other - value));
        }
      }),
    );
  });

  it('writes from the offset on', () => {
    const target = new Uint16Array(4);
    writeHalves(target, [1, 2], 1);
    expect([...target]).toEqual([0, 0x3c00, 0x4000, 0]);
  });
});
