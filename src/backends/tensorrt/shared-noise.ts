import { noiseLength, noisyRows } from '../../diffusion/noise.js';
import type { Plan } from '../../diffusion/plan.js';
import { HashedNoise } from '../hashed-noise.js';

/** Bytes before the values: two counters, and the hash. */
const HEADER = 64;
const HASH = { offset: 32, bytes: 32 };

/** Noise of one image in memory that threads share: one of them draws it, block by block, while another reads what is whole. */
export class SharedNoise {
  /** Blocks that are whole, one element. */
  readonly drawn: Int32Array;
  readonly values: Float32Array;
  readonly #abandoned: Int32Array;
  readonly #hash: Buffer;

  constructor(readonly memory: SharedArrayBuffer) {
    this.drawn = new Int32Array(memory, 0, 1);
    this.#abandoned = new Int32Array(memory, 4, 1);
    this.#hash = Buffer.from(memory, HASH.offset, HASH.bytes);
    this.values = new Float32Array(memory, HEADER);
  }

  /** Room for all that a plan reads of an image. */
  static for(plan: Plan, latentSize: number): SharedNoise {
    const bytes = noiseLength(plan, latentSize) * Float32Array.BYTES_PER_ELEMENT;
    return new SharedNoise(new SharedArrayBuffer(HEADER + bytes));
  }

  /** Whether nobody wants it any more. */
  get abandoned(): boolean {
    return Atomics.load(this.#abandoned, 0) !== 0;
  }

  abandon(): void {
    Atomics.store(this.#abandoned, 0, 1);
  }

  /** SHA-256 in hex of all of it; known once the last block is whole. */
  get sha256(): string {
    return this.#hash.toString('hex');
  }

  /** @param sha256 of all blocks, with the last one */
  put(block: number, values: Float32Array, sha256: string | null): void {
    this.values.set(values, block * values.length);
    if (sha256 !== null) this.#hash.write(sha256, 'hex');
    // Last: whoever sees it reads the above.
    Atomics.store(this.drawn, 0, block + 1);
  }
}

/** Noise that is to be drawn; plain data, which may go to another thread. */
export interface NoiseOrder {
  /** For each image. */
  readonly seeds: readonly number[];
  /** {@link SharedNoise.memory} of each. */
  readonly memories: readonly SharedArrayBuffer[];
  readonly latentSize: number;
  /** For each image, the first latents among them. */
  readonly blocks: number;
}

export function noiseOrder(
  seeds: readonly number[],
  noise: readonly SharedNoise[],
  plan: Plan,
  latentSize: number,
): NoiseOrder {
  return { seeds, memories: noise.map(({ memory }) => memory), latentSize, blocks: 1 + noisyRows(plan) };
}

/** Draws the noise of some images, that of earlier steps first, until it is abandoned. */
export function drawNoise({ seeds, memories, latentSize, blocks }: NoiseOrder): void {
  const images = memories.map((memory, image) => ({
    shared: new SharedNoise(memory),
    noise: new HashedNoise(seeds[image] as number, latentSize),
  }));
  for (let block = 0; block < blocks; block++) {
    for (const { shared, noise } of images) {
      if (shared.abandoned) continue;
      const values = noise.next();
      shared.put(block, values, block + 1 === blocks ? noise.sha256() : null);
    }
  }
}
