import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { GenerateControl, Job } from '../../src/backends/backend.js';
import { KernelKeeper } from '../../src/backends/tensorrt/kernel-keeper.js';
import { NoiseThread } from '../../src/backends/tensorrt/noise-thread.js';
import { TensorrtSession } from '../../src/backends/tensorrt/session.js';
import type { ModelDescription } from '../../src/model/description.js';
import { describeModel } from '../../src/model/layout.js';
import { fixture, type JobOptions, tinyJob, tinyPrompt } from '../contract/tiny-jobs.js';
import { noBuild } from '../support/native.js';
import { simCounts } from '../support/sim-counts.cjs';
import { skipFor } from '../support/skip-for.js';
import { addon, openTiny } from './tiny-native.mjs';

const STEPS = 6;
const HASHES = { textEncoder: 'a', unet: 'b', vaeDecoder: 'c' };
const NO_KERNELS = { textEncoder: null, unet: null, vaeDecoder: null };

// The engines of tiny-native.mjs take eight rows at once: four images with guidance, eight without.
describe('jobs that wait in a session on the simulated device', skipFor(noBuild('sim')), () => {
  let model: ModelDescription;
  let session: TensorrtSession;
  beforeAll(async () => {
    model = await describeModel(fixture('tiny'));
  });
  beforeEach(async () => {
    const native = await openTiny();
    const keeper = new KernelKeeper(native, HASHES, HASHES, NO_KERNELS);
    const facts = { runtime: 'tensorrt 10', engines: HASHES, precisions: HASHES, warnings: [], strict: true };
    session = new TensorrtSession(native, facts, model.latentChannels, keeper, new NoiseThread());
    addon.sim.failCall(0, 'none');
  });
  afterEach(async () => {
    addon.sim.failCall(0, 'none');
    await session.close();
    expect(addon.sim.live()).toBe(0);
  });

  const job = (seed: number, options: JobOptions = {}) =>
    tinyJob(model, { seeds: [seed], promptIds: tinyPrompt(seed + 3), steps: STEPS, ...options });
  const draw = async (each: Job, control?: GenerateControl) => (await session.generate(each, control)).images;
  /** What each gives by itself. */
  const alone = async (jobs: readonly Job[]) => {
    const images = [];
    for (const each of jobs) images.push(await draw(each));
    addon.sim.failCall(0, 'none');
    return images;
  };
  const counts = () => simCounts(addon.sim);

  it('run together, a step for all of them, and are what each would be by itself, bit for bit', async () => {
    const jobs = [1, 2, 3, 4].map((seed) => job(seed, { negativeIds: tinyPrompt(20 + seed) }));
    const expected = await alone(jobs);
    expect(await Promise.all(jobs.map((each) => draw(each)))).toEqual(expected);
    expect(counts()).toEqual({ steps: STEPS, captures: 1, decodings: 1 });
    await Promise.all(jobs.map((each) => draw(each)));
    expect(counts()).toEqual({ steps: 2 * STEPS, captures: 1, decodings: 2 });
  });

  it('run in as many batches as the engine needs', async () => {
    const jobs = Array.from({ length: 10 }, (_, i) => job(i, { sampler: 'euler-a' }));
    const expected = await alone(jobs);
    expect(await Promise.all(jobs.map((each) => draw(each)))).toEqual(expected);
    expect(counts()).toEqual({ steps: 3 * STEPS, captures: 2, decodings: 3 });
  });

  it('leave alone who is not like them', async () => {
    const jobs = [job(1), job(2, { latentSize: 6 }), job(3), job(4, { latentSize: 6 }), job(5, { steps: STEPS + 1 })];
    const expected = await alone(jobs);
    expect(await Promise.all(jobs.map((each) => draw(each)))).toEqual(expected);
    expect(counts().steps).toBe(2 * STEPS + STEPS + 1);
  });

  it('go on when one of them is aborted, at the first step it hears of', async () => {
    const jobs = [1, 2, 3].map((seed) => job(seed, { steps: 200 }));
    const expected = await alone(jobs);
    const controller = new AbortController();
    const results = await Promise.allSettled(
      jobs.map((each, i) =>
        draw(each, i === 1 ? { signal: controller.signal, onStep: () => controller.abort('enough') } : {}),
      ),
    );
    expect(results[1]).toEqual({ status: 'rejected', reason: 'enough' });
    expect([results[0], results[2]]).toEqual([0, 2].map((i) => ({ status: 'fulfilled', value: expected[i] })));
    expect(counts().steps).toBe(200);
  });

  it('are each drawn by itself where the device has no memory for all of them', async () => {
    const jobs = [1, 2, 3].map((seed) => job(seed));
    const expected = await alone(jobs);
    const told: string[] = [];
    addon.sim.failCall(1, 'out_of_memory');
    const images = await Promise.all(
      jobs.map((each, i) => draw(each, { onStep: ({ step }) => told.push(`${i}: ${step}`) })),
    );
    expect(images).toEqual(expected);
    for (const i of [0, 1, 2])
      expect(told.filter((line) => line.startsWith(`${i}`))).toEqual([1, 2, 3, 4, 5, 6].map((step) => `${i}: ${step}`));
    expect(counts().decodings).toBe(3);
  });
});
