import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { guide, step } from '../../../src/diffusion/step.js';

const SIZE = 6;
const float = fc.float({ noNaN: true, min: -1e6, max: 1e6 });
const values = fc.array(float, { minLength: SIZE, maxLength: SIZE }).map((list) => Float32Array.from(list));
const row = fc
  .array(fc.oneof(float, fc.constant(0)), { minLength: 8, maxLength: 8 })
  .map((list) => Float32Array.from(list));

/** A float32 register: what it holds after an operation is what IEEE single precision rounds the result to. */
const register = new Float32Array(1);
function single(value: number): number {
  register[0] = value;
  return register[0] as number;
}
const times = (a: number, b: number) => single(a * b);
const plus = (a: number, b: number) => single(a + b);

describe('step', () => {
  it('rounds every product and sum to float32 in the documented order', () => {
    const clip = fc.option(fc.float({ noNaN: true, min: Math.fround(0.1), max: 1000 }));
    fc.assert(
      fc.property(row, values, values, values, values, clip, (k, x, out, noise, previous, limit) => {
        const [k0, k1, k2, k3, k4, k5, k6, k7] = k as unknown as [
          number,
          number,
          number,
          number,
          number,
          number,
          number,
          number,
        ];
        const expected = Array.from(x, (xi, i) => {
          const [oi, ni, pi] = [out[i] as number, noise[i] as number, previous[i] as number];
          const raw = plus(times(k0, xi), times(k1, oi));
          const x0 = limit === null ? raw : Math.min(Math.max(raw, -limit), limit);
          const eps = plus(times(k2, xi), times(k3, oi));
          let next = plus(times(k4, x0), times(k5, eps));
          if (k6 !== 0) next = plus(next, times(k6, ni));
          if (k7 !== 0) next = plus(next, times(k7, pi));
          return { x0, next };
        });
        const state = { x: x.slice(), x0: previous.slice() };
        step(state, k, 0, out, noise, 0, limit);
        expect(Array.from(state.x)).toEqual(expected.map(({ next }) => next));
        expect(Array.from(state.x0)).toEqual(expected.map(({ x0 }) => x0));
      }),
      { numRuns: 500 },
    );
  });

  it('gives these bits', () => {
    const state = { x: Float32Array.of(0.1, -2.7182817, 1e-20), x0: Float32Array.of(0.3, 0.7, -0.9) };
    const rows = Float32Array.of(1.1, -0.3, 0.7, 0.9, 0.99, 0.123, 0.456, -0.1);
    step(state, rows, 0, Float32Array.of(0.33, 1.77, -3), Float32Array.of(9, 9, 9, 0.5, -0.25, 1.5), 3, 1);
    expect(bits(state.x0)).toEqual(['3c343958', 'bf800000', '3f666667']);
    expect(bits(state.x)).toEqual(['3e82105a', 'bf9b2642', '3faa9c79']);
  });

  it('uses the row of its index and the noise at its offset', () => {
    const state = { x: Float32Array.of(1), x0: Float32Array.of(0) };
    const rows = Float32Array.of(9, 9, 9, 9, 9, 9, 9, 9, 0, 0, 0, 0, 0, 0, 1, 0);
    step(state, rows, 1, Float32Array.of(5), Float32Array.of(7, 8, 42), 2, null);
    expect(state.x[0]).toBe(42);
  });

  it('reads neither noise nor the previous x0 where their coefficients are 0', () => {
    const state = { x: Float32Array.of(1), x0: Float32Array.of(Number.NaN) };
    step(state, Float32Array.of(1, 0, 1, 0, 0.5, 0.5, 0, 0), 0, Float32Array.of(0), new Float32Array(0), 0, null);
    expect(Array.from(state.x)).toEqual([1]);
  });

  it('passes NaN of the network on, clamp or not', () => {
    for (const clip of [null, 1]) {
      const state = { x: Float32Array.of(1), x0: Float32Array.of(0) };
      step(
        state,
        Float32Array.of(1, 1, 0, 0, 1, 0, 0, 0),
        0,
        Float32Array.of(Number.NaN),
        new Float32Array(1),
        0,
        clip,
      );
      expect(state.x[0]).toBeNaN();
    }
  });
});

describe('guide', () => {
  it('is u + g * (c - u), each operation rounded to float32', () => {
    fc.assert(
      fc.property(values, values, fc.double({ noNaN: true, min: 0, max: 100 }), (u, c, scale) => {
        const expected = Array.from(u, (ui, i) => plus(ui, times(single(scale), plus(c[i] as number, -ui))));
        const result = u.slice();
        guide(result, c, scale);
        expect(Array.from(result)).toEqual(expected);
      }),
    );
  });
});

function bits(values: Float32Array): string[] {
  return Array.from(new Uint32Array(values.buffer), (word) => word.toString(16).padStart(8, '0'));
}
