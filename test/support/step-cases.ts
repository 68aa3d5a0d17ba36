/** Random floats for the update formula, the same in every run. */
export class StepCases {
  private state = 0x9e3779b9;
  private readonly bits = new Uint32Array(1);
  private readonly float = new Float32Array(this.bits.buffer);

  /** 32 random bits (Marsaglia 2003, xorshift). */
  private next(): number {
    this.state ^= this.state << 13;
    this.state ^= this.state >>> 17;
    this.state ^= this.state << 5;
    return this.state >>> 0;
  }

  /** A number as latents and coefficients are, or any pattern of 32 bits, or one of the awkward ones. */
  number(): number {
    const kind = this.next() & 15;
    if (kind < 10) return Math.fround((this.next() / 2 ** 32 - 0.5) * 8);
    if (kind < 13) {
      this.bits[0] = this.next();
      return this.float[0] as number;
    }
    return AWKWARD[this.next() % AWKWARD.length] as number;
  }

  finite(): number {
    const value = this.number();
    return Number.isFinite(value) ? value : 1;
  }

  fill(target: Float32Array): Float32Array {
    for (let i = 0; i < target.length; i++) target[i] = this.number();
    return target;
  }

  /** No clamp in one of four cases, else a magnitude. */
  clip(): number | null {
    return (this.next() & 3) === 0 ? null : Math.abs(this.finite());
  }

  /** Whether something that is so in half of the cases is so. */
  coin(): boolean {
    return (this.next() & 1) === 0;
  }
}

/** Zeros of both signs, infinities, NaN, denormals of float32, the largest, and where sums and products round or overflow. */
const AWKWARD = [
  0,
  -0,
  1,
  -1,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
  Number.NaN,
  2 ** -149,
  -(2 ** -149),
  Math.fround(2 ** -126 - 2 ** -149),
  2 ** -126,
  -(2 ** -75),
  Math.fround((2 - 2 ** -23) * 2 ** 127),
  -Math.fround((2 - 2 ** -23) * 2 ** 127),
  Math.fround(1 + 2 ** -23),
  16777217,
];

/**
 * Index of the first element whose bits differ, or -1. All that are no number count as one: which of two NaNs a sum carries on is
 * left open by IEEE 754, and differs between processors and compilers.
 */
export function firstDifference(a: Float32Array, b: Float32Array): number {
  return a.findIndex((value, i) => !Object.is(value, b[i]));
}
