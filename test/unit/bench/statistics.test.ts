import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { rotated } from '../../../src/bench/rotate.js';
import { percentiles, quantile, summarise } from '../../../src/bench/statistics.js';

describe('quantiles', () => {
  // numpy.quantile([15, 20, 35, 40, 50], q)
  it.each([
    [0, 15],
    [0.05, 16],
    [0.25, 20],
    [0.4, 29],
    [0.5, 35],
    [0.99, 49.6],
    [1, 50],
  ])('are those of NumPy at %f', (q, expected) => {
    expect(quantile([35, 15, 50, 40, 20], q)).toBeCloseTo(expected, 10);
  });

  it('sort numbers as numbers and leave their argument alone', () => {
    const values = [100, 9, 20];
    expect(quantile(values, 0.5)).toBe(20);
    expect(values).toEqual([100, 9, 20]);
  });

  it('grow with q, and never leave the values', () => {
    // Integers: interpolating between them may round, but not past a neighbour by more than this.
    const rounding = 1e-3;
    const values = fc.array(fc.integer({ min: -1e9, max: 1e9 }), { minLength: 1 });
    fc.assert(
      fc.property(values, fc.double({ noNaN: true, min: 0, max: 1 }), (list, q) => {
        const value = quantile(list, q);
        expect(value).toBeGreaterThanOrEqual(Math.min(...list) - rounding);
        expect(value).toBeLessThanOrEqual(Math.max(...list) + rounding);
        expect(quantile(list, Math.min(1, q * 2))).toBeGreaterThanOrEqual(value - rounding);
      }),
    );
  });
});

describe('summaries', () => {
  it('hold the median, the quartiles and every value in its order', () => {
    expect(summarise([4, 1, 3, 2])).toEqual({ median: 2.5, low: 1.75, high: 3.25, values: [4, 1, 3, 2] });
    expect(percentiles([4, 1, 3, 2])).toEqual({
      p50: 2.5,
      p95: expect.closeTo(3.85, 10),
      p99: expect.closeTo(3.97, 10),
      count: 4,
    });
  });

  it('are null for nothing', () => {
    expect([summarise([]), percentiles([])]).toEqual([null, null]);
  });
});

describe('the order of cases', () => {
  it('begins one later each round, so that each is first, and last, equally often', () => {
    const orders = [0, 1, 2, 3].map((round) => rotated(['a', 'b', 'c'], round).join(''));
    expect(orders).toEqual(['abc', 'bca', 'cab', 'abc']);
  });

  it('of nothing is nothing', () => {
    expect(rotated([], 5)).toEqual([]);
  });
});
