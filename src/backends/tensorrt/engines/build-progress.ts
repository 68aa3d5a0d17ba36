import type { NativeBuildProgress } from '../native.js';

/**
 * Turns TensorRT's phases, which lie within each other, into one fraction that never falls: the share that is done of the first phase,
 * and of the innermost one within its current step.
 */
export class BuildFraction {
  #outer: NativeBuildProgress | null = null;
  #fraction = 0;

  /** @returns 0 to 1 */
  update(progress: NativeBuildProgress): number {
    if (this.#outer === null || progress.phase === this.#outer.phase) this.#outer = progress;
    const inner = progress === this.#outer ? 0 : share(progress);
    const { steps, step } = this.#outer;
    const fraction = steps > 0 ? (step + inner) / steps : 0;
    this.#fraction = Math.min(1, Math.max(this.#fraction, fraction));
    return this.#fraction;
  }
}

function share({ step, steps }: NativeBuildProgress): number {
  return steps > 0 ? step / steps : 0;
}
