import { type Plan, ROW_LENGTH } from './plan.js';
import { guide, step } from './step.js';

/** For rows that read none. */
const NO_NOISE = new Float32Array();

/** What the network said about the latents; arrays of their length that the loop may overwrite. */
export interface NetworkOutput {
  readonly conditional: Float32Array;
  /** For the negative prompt; null where guidance is off (scale at or below 1). */
  readonly unconditional: Float32Array | null;
}

export interface DenoiseOptions {
  readonly plan: Plan;
  /** Draws the next block of the image's noise, see `ImageNoise`: once for the first latents, then for each row that adds noise. */
  drawNoise(): Float32Array;
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
 * Runs a plan for one image.
 *
 * @returns the final latents, as many as a block of noise
 * @throws the signal's reason when aborted; whatever `predict` or `onStep` throws
 */
export async function denoise(options: DenoiseOptions): Promise<Float32Array> {
  const { plan, guidanceScale, signal } = options;
  const x = options.drawNoise().map((value) => plan.initScale * value);
  const state = { x, x0: new Float32Array(x.length) };
  for (let index = 0; index < plan.steps; index++) {
    signal?.throwIfAborted();
    const { conditional, unconditional } = await options.predict(state.x, plan.timesteps[index] as number, index);
    const guided = usesGuidance(guidanceScale) && unconditional !== null;
    if (guided) guide(unconditional, conditional, guidanceScale);
    const noise = plan.rows[index * ROW_LENGTH + 6] === 0 ? NO_NOISE : options.drawNoise();
    step(state, plan.rows, index, guided ? unconditional : conditional, noise, 0, plan.clip);
    await options.onStep?.(index + 1, state.x0);
  }
  return state.x;
}
