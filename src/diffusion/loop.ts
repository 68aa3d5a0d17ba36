import { type Plan, ROW_LENGTH } from './plan.js';
import { step } from './step.js';

/** For rows that read none. */
const NO_NOISE = new Float32Array();

export interface DenoiseOptions {
  readonly plan: Plan;
  /** Draws the next block of the image's noise, see `ImageNoise`: once for the first latents, then for each row that adds noise. */
  drawNoise(): Float32Array;
  /**
   * Runs the network on `x`, variance-preserving latents that must not be kept or changed, at `timestep`.
   * @param index step, from 0
   * @returns its output, after guidance where there is some
   */
  predict(x: Float32Array, timestep: number, index: number): Promise<Float32Array>;
  /**
   * Called, and awaited, after each step.
   * @param done steps done, 1 to `plan.steps`
   * @param x0 estimate of the clean latents, valid during the call only: what a preview decodes
   */
  onStep?: ((done: number, x0: Float32Array) => void | Promise<void>) | undefined;
  /** Checked before every network call. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Runs a plan for one image.
 *
 * @returns the final latents, as many as a block of noise
 * @throws the signal's reason when aborted; whatever `predict` or `onStep` throws
 */
export async function denoise(options: DenoiseOptions): Promise<Float32Array> {
  const { plan, signal } = options;
  const x = options.drawNoise().map((value) => plan.initScale * value);
  const state = { x, x0: new Float32Array(x.length) };
  for (let index = 0; index < plan.steps; index++) {
    signal?.throwIfAborted();
    const out = await options.predict(state.x, plan.timesteps[index] as number, index);
    const noise = plan.rows[index * ROW_LENGTH + 6] === 0 ? NO_NOISE : options.drawNoise();
    step(state, plan.rows, index, out, noise, 0, plan.clip);
    await options.onStep?.(index + 1, state.x0);
  }
  return state.x;
}
