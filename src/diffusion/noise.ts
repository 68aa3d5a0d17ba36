import { T2IError } from '../errors.js';
import type { Plan } from './plan.js';
import { ROW_LENGTH } from './plan.js';
import { TorchGenerator } from './torch-generator.js';

/** Largest seed, 2^53 - 1: every seed is a number that JavaScript holds exactly. */
export const MAX_SEED = Number.MAX_SAFE_INTEGER;

/** @throws T2IError OPTION_INVALID unless `seed` is an integer from 0 to {@link MAX_SEED} */
export function checkSeed(seed: number): void {
  if (Number.isSafeInteger(seed) && seed >= 0) return;
  const issue = { option: 'seed', expected: `an integer from 0 to ${MAX_SEED}`, received: String(seed) };
  throw new T2IError('OPTION_INVALID', `seed: expected ${issue.expected}, received ${issue.received}.`, {
    issues: [issue],
  });
}

/** Number of rows of the plan that add fresh noise. */
export function noisyRows(plan: Plan): number {
  let count = 0;
  for (let k6 = 6; k6 < plan.rows.length; k6 += ROW_LENGTH) if (plan.rows[k6] !== 0) count += 1;
  return count;
}

/**
 * All the noise of one picture, as a diffusers pipeline draws it from `torch.Generator('cpu').manual_seed(seed)`: the first latents,
 * then one block for each plan row that adds noise, each by a `torch.randn` call of its own.
 *
 * @param seed integer, 0 to {@link MAX_SEED}
 * @param latentSize channels * height * width
 * @returns unit normal, length `latentSize * (1 + noisy rows)`; the first block is not yet scaled by `plan.initScale`
 * @throws T2IError OPTION_INVALID for another seed
 */
export function imageNoise(seed: number, latentSize: number, plan: Plan): Float32Array {
  const drawing = drawNoise(seed, latentSize, plan);
  for (;;) {
    const { done, value } = drawing.next();
    if (done) return value;
  }
}

/** As {@link imageNoise}; yields between slices of a few milliseconds of work. */
export function* drawNoise(seed: number, latentSize: number, plan: Plan): Generator<void, Float32Array> {
  checkSeed(seed);
  const generator = new TorchGenerator(seed);
  const noise = new Float32Array((1 + noisyRows(plan)) * latentSize);
  for (let start = 0; start < noise.length; start += latentSize) {
    yield* generator.fill(noise.subarray(start, start + latentSize));
  }
  return noise;
}
