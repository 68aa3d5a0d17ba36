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

/** Number of values in all the blocks of {@link ImageNoise} that a plan takes. */
export function noiseLength(plan: Plan, latentSize: number): number {
  return latentSize * (1 + noisyRows(plan));
}

/**
 * The noise of one image, as a diffusers pipeline draws it from `torch.Generator('cpu').manual_seed(seed)`: a block for the first
 * latents, not yet scaled by `plan.initScale`, then one for each plan row that adds noise, each by a `torch.randn` call of its own.
 * Unit normal.
 */
export class ImageNoise {
  readonly #generator: TorchGenerator;

  /**
   * @param seed integer, 0 to {@link MAX_SEED}
   * @param latentSize channels * height * width, the length of a block
   * @throws T2IError OPTION_INVALID for another seed
   */
  constructor(
    seed: number,
    private readonly latentSize: number,
  ) {
    checkSeed(seed);
    this.#generator = new TorchGenerator(seed);
  }

  /** The next block. */
  next(): Float32Array {
    return this.#generator.randn(this.latentSize);
  }

  /** As {@link next}, into `block`; yields between slices of a few milliseconds of work. */
  fillNext(block: Float32Array): Generator<void, void> {
    return this.#generator.fill(block);
  }
}
