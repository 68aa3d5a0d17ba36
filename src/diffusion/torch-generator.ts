import { MersenneTwister } from './mersenne-twister.js';

const f32 = Math.fround;

/** From this many elements on torch.randn takes its block algorithm. */
const BLOCK = 16;
const HALF_BLOCK = BLOCK / 2;
/** Numbers drawn between two yields of `fill`, a multiple of BLOCK: a few milliseconds of work. */
const SLICE = 2 ** 17;
const TWO_PI_F32 = f32(2 * Math.PI);

/**
 * PyTorch's CPU generator: what `torch.Generator('cpu').manual_seed(seed)` draws with `torch.randn(n, generator=...)` in float32,
 * within 1e-6. Sizes from 16 on fill blocks of 16 from float32 uniforms; smaller ones draw pairs from float64 uniforms and keep the
 * second of a pair for the next small call. Box and Muller 1958 in both.
 */
export class TorchGenerator {
  readonly #random: MersenneTwister;
  #spare: number | null = null;

  /** @param seed integer, 0 to 2^53 - 1; PyTorch's engine uses its low 32 bits */
  constructor(seed: number) {
    this.#random = new MersenneTwister(seed % 2 ** 32);
  }

  /** @returns the next `n` unit normal numbers, in the order of a contiguous tensor of that many elements */
  randn(n: number): Float32Array {
    const values = new Float32Array(n);
    for (const _ of this.fill(values));
    return values;
  }

  /** As {@link randn}, into `values`; yields between slices of the work, so that the caller can do something else meanwhile. */
  *fill(values: Float32Array): Generator<void, void> {
    const n = values.length;
    if (n < BLOCK) {
      for (let i = 0; i < n; i++) values[i] = this.#normal();
      return;
    }
    for (let i = 0; i < n; ) {
      for (const end = Math.min(n, i + SLICE); i < end; i++) values[i] = this.#uniform24();
      yield;
    }
    for (let start = 0; start + BLOCK <= n; start += BLOCK) {
      boxMuller16(values, start);
      if (start % SLICE === 0) yield;
    }
    if (n % BLOCK !== 0) {
      const start = n - BLOCK;
      for (let i = start; i < n; i++) values[i] = this.#uniform24();
      boxMuller16(values, start);
    }
  }

  #normal(): number {
    if (this.#spare !== null) {
      const spare = this.#spare;
      this.#spare = null;
      return spare;
    }
    const theta = 2 * Math.PI * this.#uniform53();
    const radius = Math.sqrt(-2 * Math.log1p(-this.#uniform53()));
    this.#spare = radius * Math.sin(theta);
    return radius * Math.cos(theta);
  }

  #uniform24(): number {
    return (this.#random.next() & 0xffffff) / 2 ** 24;
  }

  #uniform53(): number {
    const high = this.#random.next() & 0x1fffff;
    return (high * 2 ** 32 + this.#random.next()) / 2 ** 53;
  }
}

/** Turns 16 uniform numbers in [0, 1) into 16 normal ones, in place; the first eight are radii, the others angles. */
function boxMuller16(values: Float32Array, start: number): void {
  for (let i = start; i < start + HALF_BLOCK; i++) {
    const radius = f32(Math.sqrt(f32(-2 * f32(Math.log(1 - (values[i] as number))))));
    const theta = f32(TWO_PI_F32 * (values[i + HALF_BLOCK] as number));
    values[i] = radius * f32(Math.cos(theta));
    values[i + HALF_BLOCK] = radius * f32(Math.sin(theta));
  }
}
