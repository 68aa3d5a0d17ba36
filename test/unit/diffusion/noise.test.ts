import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MersenneTwister } from '../../../src/diffusion/mersenne-twister.js';
import { checkSeed, ImageNoise, MAX_SEED, noiseLength, noisyRows } from '../../../src/diffusion/noise.js';
import { createPlan } from '../../../src/diffusion/plan.js';
import { parseSchedulerConfig } from '../../../src/diffusion/schedule.js';
import { TorchGenerator } from '../../../src/diffusion/torch-generator.js';
import { T2IError } from '../../../src/errors.js';
import { hashArrays } from '../../../src/image/receipt.js';
import { readGolden } from './golden.js';

interface NoiseCase {
  readonly seed: number;
  readonly calls: number[];
  readonly drawn: number[][];
}

const TOLERANCE = 1e-6;
const config = parseSchedulerConfig({});

describe('TorchGenerator against torch.randn', () => {
  for (const { seed, calls, drawn } of readGolden<NoiseCase[]>('noise')) {
    it(`seed ${seed}, sizes ${calls.join(', ')}`, () => {
      const generator = new TorchGenerator(seed);
      for (const [call, size] of calls.entries()) {
        const actual = generator.randn(size);
        const expected = drawn[call] as number[];
        expect(actual.length).toBe(expected.length);
        for (const [i, value] of expected.entries()) {
          expect(Math.abs((actual[i] as number) - value), `value ${i} of call ${call}`).toBeLessThanOrEqual(TOLERANCE);
        }
      }
    });
  }
});

describe('MersenneTwister', () => {
  it('gives the 10000th number that the C++ standard demands of mt19937', () => {
    const random = new MersenneTwister(5489);
    let last = 0;
    for (let i = 0; i < 10_000; i++) last = random.next();
    expect(last).toBe(4123659995);
  });
});

describe('ImageNoise', () => {
  it('draws blocks by calls of their own: the latents, then one for each row that adds noise', () => {
    const plan = createPlan(config, { sampler: 'euler-a', steps: 5 });
    expect(noisyRows(plan)).toBe(4);
    expect(noiseLength(plan, 40)).toBe(5 * 40);
    expect(noiseLength(createPlan(config, { sampler: 'ddim', steps: 5 }), 40)).toBe(40);
    const [noise, generator] = [new ImageNoise(7, 40), new TorchGenerator(7)];
    for (let block = 0; block < 5; block++) expect(noise.next()).toEqual(generator.randn(40));
  });

  it('gives the same bits in slices', () => {
    // Two passes: uniform numbers, then normal ones in whole blocks of 16.
    const pausesOf = new Map([
      [1, 0],
      [15, 0],
      [16, 2],
      [17, 2],
      [2 ** 17, 2],
      [2 ** 17 + 1, 3],
      [2 ** 17 + 16, 4],
      [300_003, 6],
    ]);
    for (const [size, expected] of pausesOf) {
      const [whole, sliced] = [new ImageNoise(3, size), new ImageNoise(3, size)];
      for (let block = 0; block < 3; block++) {
        const values = new Float32Array(size);
        let pauses = 0;
        for (const _ of sliced.fillNext(values)) pauses++;
        expect(hashArrays(values)).toBe(hashArrays(whole.next()));
        expect(pauses, `${size} values`).toBe(expected);
      }
    }
  });

  it('is the same for a seed and different for another', () => {
    const seed = fc.integer({ min: 0, max: 2 ** 32 - 1 });
    fc.assert(
      fc.property(seed, seed, fc.integer({ min: 1, max: 70 }), (a, b, size) => {
        const first = new ImageNoise(a, size).next();
        expect(first).toEqual(new ImageNoise(a, size).next());
        if (a !== b) expect(first).not.toEqual(new ImageNoise(b, size).next());
        expect(first.every(Number.isFinite)).toBe(true);
      }),
    );
  });

  it('is normal: mean 0, variance 1, and nothing beyond what 24 bits reach', () => {
    const noise = new TorchGenerator(3).randn(200_000);
    const mean = noise.reduce((sum, value) => sum + value, 0) / noise.length;
    const variance = noise.reduce((sum, value) => sum + value * value, 0) / noise.length;
    expect(Math.abs(mean)).toBeLessThan(0.01);
    expect(Math.abs(variance - 1)).toBeLessThan(0.02);
    expect(noise.every((value) => Math.abs(value) < 5.78)).toBe(true);
  });
});

describe('seeds', () => {
  it.each([0, 1, 2 ** 32, MAX_SEED])('takes %d', (seed) => expect(() => checkSeed(seed)).not.toThrow());

  it.each([-1, 0.5, 2 ** 53, Number.NaN, Number.POSITIVE_INFINITY])('refuses %d by name', (seed) => {
    const refused = expect.toSatisfy(
      (error) =>
        T2IError.is(error) && error.code === 'OPTION_INVALID' && /^seed: expected .* received /.test(error.message),
    );
    expect(() => new ImageNoise(seed, 4)).toThrow(refused);
    const issue = { option: 'seed', expected: `an integer from 0 to ${MAX_SEED}`, received: String(seed) };
    expect(() => checkSeed(seed)).toThrow(expect.objectContaining({ issues: [issue] }));
  });
});
