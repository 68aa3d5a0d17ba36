import { inspect } from 'node:util';
import type { NativeStepArrays } from '../../src/backends/tensorrt/native.js';
import { ROW_LENGTH } from '../../src/diffusion/plan.js';
import { guide, step } from '../../src/diffusion/step.js';
import { firstDifference, StepCases } from './step-cases.js';

/** Runs `rows` random rows on `width` random latents each by TypeScript and by `native`; the first case that differs, or null. */
export function compareSteps(rows: number, width: number, native: (arrays: NativeStepArrays) => void): string | null {
  const cases = new StepCases();
  const array = () => new Float32Array(width);
  const [row, x, x0, conditional, unconditional, noise] = [
    new Float32Array(ROW_LENGTH),
    array(),
    array(),
    array(),
    array(),
    array(),
  ];
  for (let index = 0; index < rows; index++) {
    for (const values of [row, x, x0, conditional, unconditional, noise]) cases.fill(values);
    // As in real plans: without fresh noise, without history.
    if (cases.coin()) row[6] = cases.coin() ? 0 : -0;
    if (cases.coin()) row[7] = cases.coin() ? 0 : -0;
    const [guided, clip, guidanceScale] = [cases.coin(), cases.clip(), cases.finite()];

    const expected = { x: x.slice(), x0: x0.slice() };
    const out = guided ? unconditional.slice() : conditional;
    if (guided) guide(out, conditional, guidanceScale);
    step(expected, row, 0, out, noise, 0, clip);
    const before = { x: x.slice(), x0: x0.slice() };
    native({ row, x, x0, conditional, unconditional: guided ? unconditional : null, guidanceScale, noise, clip });
    for (const [name, values] of [['x', x] as const, ['x0', x0] as const]) {
      const at = firstDifference(values, expected[name]);
      if (at < 0) continue;
      const given = { row, ...before, conditional, unconditional: guided && unconditional, guidanceScale, noise, clip };
      return `case ${index}: ${name}[${at}] is ${values[at]}, not ${expected[name][at]}, of ${inspect(given, { maxArrayLength: width })}`;
    }
  }
  return null;
}
