import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fromBfloat16, writeBfloat16s } from '../../../src/diffusion/bfloat16.js';

function toBfloat16(value: number): number {
  const target = new Uint16Array(1);
  writeBfloat16s(target, [value], 0);
  return target[0] as number;
}

describe('bfloat16', () => {
  it.each([
    [0, 0x0000],
    [-0, 0x8000],
    [1, 0x3f80],
    [-2, 0xc000],
    [65520, 0x4780],
    [1 + 2 ** -8, 0x3f80],
    [1 + 3 * 2 ** -8, 0x3f82],
    [1 + 2 ** -8 + 2 ** -20, 0x3f81],
    [2 ** 128 - 2 ** 120, 0x7f7f],
    [2 ** 128 - 2 ** 119 - 2 ** 104, 0x7f7f],
    [2 ** 128 - 2 ** 119, 0x7f80],
    [-(2 ** 128), 0xff80],
    [Number.POSITIVE_INFINITY, 0x7f80],
    [Number.NEGATIVE_INFINITY, 0xff80],
    [2 ** -126, 0x0080],
    [2 ** -133, 0x0001],
    [2 ** -134, 0x0000],
    [2 ** -134 + 2 ** -149, 0x0001],
    [2 ** -149, 0x0000],
  ])('writes %d as %i', (value, pattern) => {
    expect(toBfloat16(value)).toBe(pattern);
  });

  it('gives every pattern back that it read', () => {
    for (let pattern = 0; pattern < 0x10000; pattern++) {
      const value = fromBfloat16(pattern);
      if (Number.isNaN(value)) expect(toBfloat16(value) & 0x7fff).toBe(0x7fc0);
      else expect(toBfloat16(value)).toBe(pattern);
    }
  });

  it('keeps a NaN one, wherever its bits are', () => {
    const nans = new Float32Array(Uint32Array.of(0x7f800001, 0xff800001, 0x7fffffff, 0xffffffff).buffer);
    const target = new Uint16Array(4);
    writeBfloat16s(target, nans, 0);
    expect([...target].map((pattern) => pattern & 0x7fff)).toEqual(Array(4).fill(0x7fc0));
    for (const pattern of target) expect(fromBfloat16(pattern)).toBeNaN();
  });

  it('takes the nearest of its neighbours', () => {
    fc.assert(
      fc.property(fc.float({ noNaN: true, noDefaultInfinity: true }), (value) => {
        const pattern = toBfloat16(value);
        const error = Math.abs(fromBfloat16(pattern) - value);
        if (!Number.isFinite(error)) return;
        for (const neighbour of [pattern - 1, pattern + 1]) {
          const other = fromBfloat16(neighbour & 0xffff);
          if (Number.isFinite(other)) expect(error).toBeLessThanOrEqual(Math.abs(other - value));
        }
      }),
    );
  });

  it('writes from the offset on', () => {
    const target = new Uint16Array(4);
    writeBfloat16s(target, [1, 2], 1);
    expect([...target]).toEqual([0, 0x3f80, 0x4000, 0]);
  });
});
