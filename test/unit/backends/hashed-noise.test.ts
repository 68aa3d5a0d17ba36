import { describe, expect, it } from 'vitest';
import { HashedNoise } from '../../../src/backends/hashed-noise.js';
import { noisyRows } from '../../../src/diffusion/noise.js';
import { createPlan, type SamplerName } from '../../../src/diffusion/plan.js';
import { parseSchedulerConfig } from '../../../src/diffusion/schedule.js';
import { hashArrays } from '../../../src/image/receipt.js';

/** Seed, values of a block, sampler and steps, and the hash that receipts of version 0.1 give this noise. */
const PUBLISHED: readonly [number, number, SamplerName, number, string][] = [
  [0, 64, 'ddim', 5, '08afa35cef13c29dacb5fe04f8b5b5aca685cea046d253d3e67fe18ff750fc04'],
  [7, 40, 'euler-a', 5, 'ee5c7fd8a7321b391dd1ebbe0020650b04d81c5ac1dd57203cd529189c14b391'],
  [7, 15, 'euler-a', 4, '32b9f3f65276942783a870f693147ae7df1fb361e91ef617b67dd7cdccfb44f7'],
  [2 ** 53 - 1, 65_536, 'ddpm', 3, '5b528db73f503bccad4c2be6f57ade0929bb6487375efd1216cdf890a6bc16ca'],
  [3, 50_003, 'lcm', 4, 'f64fbe9eca7590771c4a286fffbbac4537b8e6778db9ca2b9aeb3354b26f6dca'],
  [123_456_789, 17, 'ddpm', 9, 'f29c4a190470c58db67c609bea7cfbff9f1288957afa1ca36f54832791f210d3'],
];
const planOf = (sampler: SamplerName, steps: number) => createPlan(parseSchedulerConfig({}), { sampler, steps });

describe('the noise of an image', () => {
  it.each(PUBLISHED)('of seed %d, %d values, %s with %d steps has the hash that receipts name', async (...one) => {
    const [seed, size, sampler, steps, hash] = one;
    const plan = planOf(sampler, steps);
    const blockwise = new HashedNoise(seed, size);
    for (let block = 0; block < 1 + noisyRows(plan); block++) blockwise.next();
    expect(blockwise.sha256()).toBe(hash);
    const whole = new HashedNoise(seed, size);
    expect(hashArrays(await whole.all(plan, new AbortController().signal))).toBe(hash);
    expect(whole.sha256()).toBe(hash);
  });

  it('lets the event loop run while all of it is made, within a block too, and ends with an abort', async () => {
    const control = new AbortController();
    let turns = 0;
    const turn = () => {
      turns++;
      if (turns === 3) control.abort('enough');
      else setImmediate(turn);
    };
    setImmediate(turn);
    // One block of a tenth of a second of work.
    const all = new HashedNoise(1, 2 ** 22).all(planOf('ddim', 1), control.signal);
    await expect(all).rejects.toBe('enough');
    expect(turns).toBe(3);
  });
});
