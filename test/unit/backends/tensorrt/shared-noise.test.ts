import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { drawNoise, noiseOrder, SharedNoise } from '../../../../src/backends/tensorrt/shared-noise.js';
import { ImageNoise } from '../../../../src/diffusion/noise.js';
import type { Plan } from '../../../../src/diffusion/plan.js';

const SIZE = 40;
/** Four steps, of which the first and the third add noise. */
const PLAN = { steps: 4, rows: Float32Array.from({ length: 32 }, (_, i) => (i % 16 === 6 ? 0.5 : 0)) } as Plan;
const BLOCKS = 3;

function order(seeds: readonly number[]) {
  const noise = seeds.map(() => SharedNoise.for(PLAN, SIZE));
  return { noise, order: noiseOrder(seeds, noise, PLAN, SIZE) };
}

const expected = (seed: number) => {
  const noise = new ImageNoise(seed, SIZE);
  return Float32Array.from(Array.from({ length: BLOCKS }, () => [...noise.next()]).flat());
};

describe('noise in memory that threads share', () => {
  it('is that of each seed, bit for bit, with its hash', () => {
    const { noise, order: three } = order([3, 3, 2 ** 40]);
    drawNoise(three);
    expect(noise.map(({ values }) => values)).toEqual([3, 3, 2 ** 40].map(expected));
    const hashes = [3, 3, 2 ** 40].map((seed) => createHash('sha256').update(expected(seed)).digest('hex'));
    expect(noise.map(({ sha256 }) => sha256)).toEqual(hashes);
    expect(noise.map(({ drawn }) => drawn[0])).toEqual([BLOCKS, BLOCKS, BLOCKS]);
  });

  it('is counted block by block, for those who hold the same memory, and the last one when its hash is there', () => {
    const { noise } = order([1]);
    const [mine] = noise as [SharedNoise];
    const theirs = new SharedNoise(mine.memory);
    const values = new Float32Array(SIZE).fill(7);
    expect([theirs.drawn[0], theirs.sha256]).toEqual([0, '0'.repeat(64)]);
    mine.put(0, values, null);
    expect([theirs.drawn[0], theirs.values[SIZE - 1], theirs.values[SIZE]]).toEqual([1, 7, 0]);
    mine.put(1, values, 'ab'.repeat(32));
    expect([theirs.drawn[0], theirs.sha256]).toEqual([2, 'ab'.repeat(32)]);
  });

  it('is drawn no further once nobody wants it', () => {
    const { noise, order: both } = order([1, 2]);
    noise[0]?.abandon();
    drawNoise(both);
    expect(noise.map(({ drawn }) => drawn[0])).toEqual([0, BLOCKS]);
  });
});
