import { createHash } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { ImageNoise, noiseLength } from '../diffusion/noise.js';
import type { Plan } from '../diffusion/plan.js';

/** Milliseconds of work after which the event loop gets its turn. */
const PAUSE_EVERY = 4;

/** The noise of one image, with a hash over all that was drawn of it: what receipts name. */
export class HashedNoise {
  readonly #noise: ImageNoise;
  readonly #hash = createHash('sha256');

  /** @param latentSize channels * height * width @throws T2IError OPTION_INVALID for a seed that is none */
  constructor(
    seed: number,
    private readonly latentSize: number,
  ) {
    this.#noise = new ImageNoise(seed, latentSize);
  }

  /** The next block. */
  next(): Float32Array {
    const block = this.#noise.next();
    this.#hash.update(block);
    return block;
  }

  /**
   * Every block that a plan reads, one after the other, to be called instead of {@link next}. The event loop runs meanwhile.
   *
   * @throws the signal's reason when aborted
   */
  async all(plan: Plan, signal: AbortSignal): Promise<Float32Array> {
    const all = new Float32Array(noiseLength(plan, this.latentSize));
    let due = performance.now() + PAUSE_EVERY;
    for (let start = 0; start < all.length; start += this.latentSize) {
      const block = all.subarray(start, start + this.latentSize);
      for (const _ of this.#noise.fillNext(block)) {
        if (performance.now() < due) continue;
        await setImmediate();
        signal.throwIfAborted();
        due = performance.now() + PAUSE_EVERY;
      }
      this.#hash.update(block);
    }
    return all;
  }

  /** SHA-256 in hex; nothing is drawn after it. */
  sha256(): string {
    return this.#hash.digest('hex');
  }
}
