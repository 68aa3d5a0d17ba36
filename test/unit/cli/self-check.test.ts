import { describe, expect, it } from 'vitest';
import type { NativeStepArrays } from '../../../src/backends/tensorrt/native.js';
import { check } from '../../../src/cli/doctor/self-check/check.js';
import { checkStep } from '../../../src/cli/doctor/self-check/step-check.js';
import { guide, step } from '../../../src/diffusion/step.js';
import { T2IError, T2IInternalError } from '../../../src/errors.js';

/** The update in TypeScript: the twin of both native ones. */
function twin({ row, x, x0, conditional, unconditional, guidanceScale, noise, clip }: NativeStepArrays): void {
  const out = (unconditional ?? conditional).slice();
  if (unconditional) guide(out, conditional, guidanceScale);
  step({ x, x0 }, row, 0, out, noise, 0, clip);
}

describe('the check of the step kernel', () => {
  it('compares tens of thousands of values, special ones among them', async () => {
    const seen: NativeStepArrays[] = [];
    const stepHost = (arrays: NativeStepArrays) => {
      seen.push({ ...arrays, x: arrays.x.slice() });
      twin(arrays);
    };
    const { ok, numbers } = await checkStep({ stepHost, stepDevice: twin }, 0);
    expect(ok).toBe(true);
    expect(numbers).toEqual({ compared: expect.any(Number), different: 0 });
    expect(numbers.compared).toBeGreaterThan(50_000);
    const values = new Set(seen.flatMap(({ x }) => [...x]));
    const [tiny, large] = [
      [2 ** -149, 2 ** -127, 2 ** -126],
      [1, 1 - 2 ** -24, Math.fround(3.4e38), Infinity],
    ];
    const special = [0, NaN, ...[...tiny, ...large].flatMap((value) => [value, -value])];
    const oneWay = new Set([-(2 ** -127), -(2 ** -126), -(1 - 2 ** -24)]);
    for (const value of special) expect([value, values.has(value)]).toEqual([value, !oneWay.has(value)]);
    const others = seen.flatMap(({ x }) => [...x]).filter((value) => !special.includes(value));
    const all = seen.reduce((sum, { x }) => sum + x.length, 0);
    expect(others.length / all).toBeCloseTo(0.75, 1);
    // Both signs, and magnitudes of a network's values.
    const sizes = others.map(Math.abs);
    expect(sizes.every((size) => size < 2 ** 7)).toBe(true);
    for (const limit of [2 ** -16, 1]) expect(sizes.filter((size) => size < limit).length).toBeGreaterThan(50);
    for (const sign of [-1, 1])
      expect(others.filter((value) => Math.sign(value) === sign && Math.abs(value) > 1).length).toBeGreaterThan(50);
    expect(seen.some(({ x }) => x.some((value) => Object.is(value, -0)))).toBe(true);
    expect(new Set(seen.map(({ unconditional, clip }) => `${unconditional === null} ${clip}`)).size).toBe(4);
  });

  it.each<[string, (arrays: NativeStepArrays) => void]>([
    [
      'a value that is one rounding off',
      (arrays) => (arrays.x[7] = Math.fround((arrays.x[7] as number) * (1 + 2 ** -23))),
    ],
    ['a zero of the other sign', (arrays) => arrays.x0.set(arrays.x0.map((value) => (value === 0 ? -value : value)))],
    ['denormals flushed to zero', ({ x }) => x.set(x.map((value) => (Math.abs(value) < 2 ** -126 ? 0 : value)))],
    ['an estimate that was not written', ({ x0 }) => x0.fill(0)],
  ])('finds %s', async (_, spoil) => {
    const stepDevice = (arrays: NativeStepArrays) => {
      twin(arrays);
      spoil(arrays);
    };
    const { ok, detail, numbers } = await checkStep({ stepHost: twin, stepDevice }, 0);
    expect(ok).toBe(false);
    expect(numbers.different).toBeGreaterThan(0);
    expect(detail).toMatch(/first x0?\[\d+\] of row \d: host .+, GPU .+/);
  });

  it('says where the first of all differences is', async () => {
    const stepDevice = (arrays: NativeStepArrays) => {
      twin(arrays);
      for (const name of ['x', 'x0'] as const) arrays[name][7] = 123;
    };
    const { detail } = await checkStep({ stepHost: twin, stepDevice }, 0);
    expect(detail).toMatch(/; first x\[7\] of row 0: host .+, GPU 123$/);
  });

  it('takes any NaN for any other', async () => {
    const stepDevice = (arrays: NativeStepArrays) => {
      twin(arrays);
      const bits = new Uint32Array(arrays.x.buffer);
      for (const [i, value] of arrays.x.entries()) if (Number.isNaN(value)) bits[i] = 0x7fffffff;
    };
    expect((await checkStep({ stepHost: twin, stepDevice }, 0)).ok).toBe(true);
  });
});

describe('a check', () => {
  const running = new AbortController().signal;
  const lost = new T2IError('DEVICE_LOST', 'the GPU is gone', { hint: 'start again' });

  it('that meets a typed error has failed, with its hint', async () => {
    const result = await check('graph', running, () => Promise.reject(lost));
    expect(result).toEqual({
      name: 'graph',
      ok: false,
      detail: 'DEVICE_LOST: the GPU is gone',
      numbers: {},
      hint: 'start again',
    });
  });

  it.each([new T2IInternalError('broken'), new TypeError('x is not a function')])('lets %s through', async (bug) => {
    await expect(check('graph', running, () => Promise.reject(bug))).rejects.toBe(bug);
  });

  it('that was interrupted is none', async () => {
    await expect(check('graph', AbortSignal.abort(), () => Promise.reject(lost))).rejects.toBe(lost);
  });
});
