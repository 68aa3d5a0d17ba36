const SIZE = 624;
const SHIFT = 397;

/** mt19937 (Matsumoto and Nishimura 1998), seeded by its `init_genrand`. */
export class MersenneTwister {
  readonly #state = new Uint32Array(SIZE);
  #next = SIZE;

  /** @param seed unsigned 32-bit integer */
  constructor(seed: number) {
    const state = this.#state;
    state[0] = seed;
    for (let i = 1; i < SIZE; i++) {
      const previous = state[i - 1] as number;
      state[i] = Math.imul(1812433253, previous ^ (previous >>> 30)) + i;
    }
  }

  /** @returns the next unsigned 32-bit integer */
  next(): number {
    if (this.#next === SIZE) this.#twist();
    let y = this.#state[this.#next++] as number;
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    y ^= y >>> 18;
    return y >>> 0;
  }

  #twist(): void {
    const state = this.#state;
    for (let i = 0; i < SIZE; i++) {
      const low = state[(i + 1) % SIZE] as number;
      const mixed = ((state[i] as number) & 0x80000000) | (low & 0x7fffffff);
      state[i] = (state[(i + SHIFT) % SIZE] as number) ^ (mixed >>> 1) ^ (low & 1 ? 0x9908b0df : 0);
    }
    this.#next = 0;
  }
}
