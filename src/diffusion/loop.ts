import { type Plan, ROW_LENGTH } from './plan.js';
import { guide, step } from './step.js';

/** What the network said about the latents; arrays of their length that the loop may overwrite. */
export interface NetworkOutput {
  readonly conditional: Float32Array;
  /** For the negative prompt; null where guidance is off (scale at or below 1). */
  readonly unconditional: Float32Array | null;
}

export interface DenoiseOptions {
  readonly plan: Plan;
  /** What `imageNoise` returned for this plan. */
  readonly noise: Float32Array;
  /** Number of latent values, channels * height * width. */
  readonly latentSize: number;
  /** Guidance is off at 1 and below: then `predict` need not compute `unconditional`. */
  readonly guidanceScale: number;
  /**
   * Runs the network on `x`, variance-preserving latents that must not be kept or changed, at `timestep`.
   * @param index step, from 0
   */
  predict(x: Float32Array, timestep: number, index: number): Promise<NetworkOutput>;
  /**
   * Called, and awaited, after each step.
   * @param done steps done, 1 to `plan.steps`
   * @param x0 estimate of the clean latents, valid during the call only: what a preview decodes
   */
  onStep?: ((done: number, x0: Float32Array) => void | Promise<void>) | undefined;
  /** Checked before every network call. */
  readonly signal?: AbortSignal | undefined;
}

/** Whether a guidance scale makes the network run on the negative prompt too. */
export function usesGuidance(guidanceScale: number): boolean {
  return guidanceScale > 1;
}

/**
 * Runs a plan for one picture.
 *
 * @returns the final latents, length `latentSize`
 * @throws the signal's reason when aborted; whatever `predict` or `onStep` throws
 */
export async function denoise(options: DenoiseOptions): Promise<Float32Array> {
  const { plan, noise, latentSize, guidanceScale, signal } = options;
  const state = {
    x: noise.slice(0, latentSize).map((value) => plan.initScale * value),
    x0: new Float32Array(latentSize),
  };
  let noiseOffset = latentSize;
  for (let index = 0; index < plan.steps; index++) {
    signal?.throwIfAborted();
    const { conditional, unconditional } = await options.predict(state.x, plan.timesteps[index] as number, index);
    const guided = usesGuidance(guidanceScale) && unconditional !== null;
    if (guided) guide(unconditional, conditional, guidanceScale);
    step(state, plan.rows, index, guided ? unconditional : conditional, noise, noiseOffset, plan.clip);
    if (plan.rows[index * ROW_LENGTH + 6] !== 0) noiseOffset += latentSize;
    await options.onStep?.(index + 1, state.x0);
  }
  return state.x;
}
