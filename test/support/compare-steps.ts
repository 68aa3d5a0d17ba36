import { inspect } from 'node:util';
import type { NativeStepArrays } from '../../src/backends/tensorrt/native.js';
import { ROW_LENGTH } from '../../src/diffusion/plan.js';
import { guide, step } from '../../src/diffusion/step.js';
import { firstDifference, StepCases } from './step-cases.js';

/** A random row on random latents. */
export interface StepCase {
  /** Of its own, to be overwritten. */
  readonly arrays: NativeStepArrays;
  /** Why a result is wrong, in words; null where it has the bits that TypeScript computes. */
  problemOf(result: Pick<NativeStepArrays, 'x' | 'x0'>): string | null;
}

/** `rows` cases of `width` latents each, the same in every run. */
export function* stepCases(rows: number, width: number): Generator<StepCase> {
  const cases = new StepCases();
  const array = () => new Float32Array(width);
  for (let index = 0; index < rows; index++) {
    const [row, x, x0, conditional, unconditional, noise] = [
      cases.fill(new Float32Array(ROW_LENGTH)),
      cases.fill(array()),
      cases.fill(array()),
      cases.fill(array()),
      cases.fill(array()),
      cases.fill(array()),
    ];
    // As in real plans: without fresh noise, without history.
    if (cases.coin()) row[6] = cases.coin() ? 0 : -0;
    if (cases.coin()) row[7] = cases.coin() ? 0 : -0;
    const [guided, clip, guidanceScale] = [cases.coin(), cases.clip(), cases.finite()];
    const before = { x: x.slice(), x0: x0.slice() };
    const given = { row, ...before, conditional, unconditional: guided && unconditional, guidanceScale, noise, clip };
    const expected = { x: x.slice(), x0: x0.slice() };
    const out = guided ? unconditional.slice() : conditional;
    if (guided) guide(out, conditional, guidanceScale);
    step(expected, row, 0, out, noise, 0, clip);
    yield {
      arrays: { row, x, x0, conditional, unconditional: guided ? unconditional : null, guidanceScale, noise, clip },
      problemOf(result) {
        for (const name of ['x', 'x0'] as const) {
          const at = firstDifference(result[name], expected[name]);
          if (at < 0) continue;
          const words = `${result[name][at]}, not ${expected[name][at]}, of ${inspect(given, { maxArrayLength: width })}`;
          return `case ${index}: ${name}[${at}] is ${words}`;
        }
        return null;
      },
    };
  }
}

/** Runs `rows` random rows on `width` random latents each by TypeScript and by `native`; the first case that differs, or null. */
export function compareSteps(rows: number, width: number, native: (arrays: NativeStepArrays) => void): string | null {
  for (const { arrays, problemOf } of stepCases(rows, width)) {
    native(arrays);
    const problem = problemOf(arrays);
    if (problem !== null) return problem;
  }
  return null;
}
