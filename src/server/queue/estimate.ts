import type { Request } from '../../options.js';
import { usesGuidance } from '../../pipeline/guidance.js';

/** How much the last request counts beside those before it. */
const WEIGHT = 0.3;

/** Work of a request, in pixels through the denoiser: what its time grows with. */
export function workOf(request: Request): number {
  const { seeds, steps, width, height } = request;
  return seeds.length * steps * width * height * (usesGuidance(request) ? 2 : 1);
}

/** How long requests take, learnt from those before: an exponential mean of the milliseconds for a unit of work, by model. */
export class Estimate {
  readonly #rates = new Map<string, number>();

  learn(model: string, work: number, milliseconds: number): void {
    const rate = milliseconds / work;
    const before = this.#rates.get(model) ?? rate;
    this.#rates.set(model, before + WEIGHT * (rate - before));
  }

  /** Milliseconds, or null where nothing of the model was made yet. */
  of(model: string, work: number): number | null {
    const rate = this.#rates.get(model);
    return rate === undefined ? null : rate * work;
  }
}
