/** Number of float32 coefficients of one plan row, k0 to k7. */
export const ROW_LENGTH = 8;

/**
 * All a backend needs to know of a sampler: pure data, executed row by row (see `step.ts`).
 *
 *     x0  = k0 * x + k1 * out           clamped to +-clip when clip is set
 *     eps = k2 * x + k3 * out
 *     x'  = k4 * x0 + k5 * eps + k6 * noise + k7 * (previous x0)
 *
 * `x` is the latents in variance-preserving form, `out` the network's (guided) output.
 */
export interface Plan {
  /** Sampler that filled the rows; a label for receipts, never read by a backend. */
  readonly sampler: string;
  readonly steps: number;
  /** What the network is told at each step, length `steps`; fractional where sigmas fall between training timesteps. */
  readonly timesteps: Float32Array;
  /** `steps * ROW_LENGTH` coefficients, row-major. */
  readonly rows: Float32Array;
  /** Largest magnitude of x0 that passes unclamped, or null for no clamp. */
  readonly clip: number | null;
  /** Factor on the unit normal noise that makes the first latents (1 in variance-preserving form unless the sampler says otherwise). */
  readonly initScale: number;
}
