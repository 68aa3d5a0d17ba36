import { ROW_LENGTH } from './plan.js';

const f32 = Math.fround;

/** Arrays that one image's steps work on; all have the length of the latents. */
export interface StepState {
  /** Latents, variance-preserving; overwritten by the step. */
  readonly x: Float32Array;
  /** Estimate of the clean latents: the previous step's before the step, this step's after it. */
  readonly x0: Float32Array;
}

/**
 * Executes one plan row, in place. Every product and sum is rounded to float32, in the order written here:
 *
 *     x0   = (k0 * x) + (k1 * out), then min(max(x0, -clip), clip)
 *     eps  = (k2 * x) + (k3 * out)
 *     x'   = (k4 * x0) + (k5 * eps)
 *     x'   = x' + (k6 * noise)         only where k6 is not 0
 *     x'   = x' + (k7 * previous x0)   only where k7 is not 0
 *
 * @param rows the plan's rows
 * @param index row to execute
 * @param out network output after guidance, length of x
 * @param noise unit normal noise; `noiseOffset` is where this step's block starts; not read where k6 is 0
 * @param clip largest magnitude of x0, or null
 */
export function step(
  state: StepState,
  rows: Float32Array,
  index: number,
  out: Float32Array,
  noise: Float32Array,
  noiseOffset: number,
  clip: number | null,
): void {
  const { x, x0 } = state;
  const row = index * ROW_LENGTH;
  const k0 = rows[row] as number;
  const k1 = rows[row + 1] as number;
  const k2 = rows[row + 2] as number;
  const k3 = rows[row + 3] as number;
  const k4 = rows[row + 4] as number;
  const k5 = rows[row + 5] as number;
  const k6 = rows[row + 6] as number;
  const k7 = rows[row + 7] as number;
  const limit = clip === null ? Number.POSITIVE_INFINITY : f32(clip);
  for (let i = 0; i < x.length; i++) {
    const xi = x[i] as number;
    const oi = out[i] as number;
    let clean = f32(f32(k0 * xi) + f32(k1 * oi));
    if (clean < -limit) clean = -limit;
    if (clean > limit) clean = limit;
    const eps = f32(f32(k2 * xi) + f32(k3 * oi));
    let next = f32(f32(k4 * clean) + f32(k5 * eps));
    if (k6 !== 0) next = f32(next + f32(k6 * (noise[noiseOffset + i] as number)));
    if (k7 !== 0) next = f32(next + f32(k7 * (x0[i] as number)));
    x0[i] = clean;
    x[i] = next;
  }
}

/**
 * Classifier-free guidance (Ho and Salimans 2022, equation 6, in the form u + g * (c - u)), each operation rounded to float32.
 *
 * @param unconditional overwritten by the result
 * @param scale guidance scale g
 */
export function guide(unconditional: Float32Array, conditional: Float32Array, scale: number): void {
  const g = f32(scale);
  for (let i = 0; i < unconditional.length; i++) {
    const u = unconditional[i] as number;
    unconditional[i] = f32(u + f32(g * f32((conditional[i] as number) - u)));
  }
}
