import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { GenerateControl, Job } from '../../src/backends/backend.js';
import type { ProcessSession } from '../../src/backends/process/process-session.js';
import type { ModelDescription } from '../../src/model/description.js';
import { describeModel } from '../../src/model/layout.js';
import { noBuild } from '../support/native.js';
import type { simCounts } from '../support/sim-counts.cjs';
import { type SimTensorrt, simTensorrt } from '../support/sim-tensorrt.js';
import { skipFor } from '../support/skip-for.js';
import { toyImages } from '../support/toy-networks.js';
import { isAlive, startCaller } from './start-caller.js';
import { fixture, type JobOptions, tinyJob, tinyPrompt } from './tiny-jobs.js';

type SimCounts = ReturnType<typeof simCounts>;

const LONG = 500;
/** What Node is told to load modules of this folder first. */
const preload = (...names: string[]) =>
  names.map((name) => `--require ${fileURLToPath(new URL(`./${name}.cjs`, import.meta.url))}`).join(' ');

describe('the process of an isolated tensorrt session', skipFor(noBuild('sim')), () => {
  let sim: SimTensorrt;
  let model: ModelDescription;
  let session: ProcessSession;
  /** Path of what tell-counts.cjs writes. */
  let counts: string;
  const open = async () => (await sim.backend.open(model, { isolation: 'process' })) as ProcessSession;

  beforeAll(async () => {
    sim = simTensorrt(10) as SimTensorrt;
    sim.use();
    model = await describeModel(fixture('tiny'));
    await sim.build(model);
  });
  beforeEach(async () => {
    counts = join(mkdtempSync(join(tmpdir(), 't2i-counts-')), 'counts.json');
    vi.stubEnv('NODE_OPTIONS', preload('lose-device', 'tell-counts'));
    vi.stubEnv('T2I_TEST_COUNTS', counts);
    session = await open();
  });
  afterEach(async () => {
    vi.unstubAllEnvs();
    await session.close();
    rmSync(dirname(counts), { recursive: true });
  });
  afterAll(() => sim.cleanUp());

  it('names runtime and engines as a session in this process does', async () => {
    const other = await sim.backend.open(model);
    expect([session.runtime, session.engines]).toEqual([other.runtime, other.engines]);
    await other.close();
  });

  it('is started again after a crash, which fails the running job alone: same images', async () => {
    const before = session.pid as number;
    const job = tinyJob(model, { seeds: [1, 2] });
    const onStep = () => process.kill(before, 'SIGSEGV');
    const long = session.generate(tinyJob(model, { steps: LONG, latentSize: 16 }), { onStep });
    const next = session.generate(job);
    await expect(long).rejects.toMatchObject({ code: 'BACKEND_CRASHED', message: expect.stringMatching(/SIGSEGV/) });
    expect((await next).images).toEqual(await toyImages(model, job));
    expect(session.pid).not.toBe(before);
    expect(isAlive(before)).toBe(false);
  });

  it('is started again after its device was lost: same images', async () => {
    const before = session.pid as number;
    process.kill(before, 'SIGUSR2');
    const job = tinyJob(model, { seeds: [3] });
    // The signal may arrive behind a job.
    const error = await failure(() => session.generate(job));
    expect(error).toMatchObject({ code: 'DEVICE_LOST', hint: expect.stringMatching(/next request starts a fresh/) });
    expect((await session.generate(job)).images).toEqual(await toyImages(model, job));
    expect(session.pid).not.toBe(before);
    expect(isAlive(before)).toBe(false);
  });

  // The engines take eight rows at once: four images with guidance.
  describe('runs as one jobs that are alike and wait', () => {
    const STEPS = 6;
    const job = (seed: number, options: JobOptions = {}) =>
      tinyJob(model, { seeds: [seed], promptIds: tinyPrompt(seed + 3), steps: STEPS, ...options });
    const draw = async (each: Job, control?: GenerateControl) => (await session.generate(each, control)).images;
    /** What the device was given by these jobs, asked for at once, and their images. */
    const together = async (jobs: readonly Job[], controls: readonly GenerateControl[] = []) => {
      const before = JSON.parse(readFileSync(counts, 'utf8')) as SimCounts;
      const results = await Promise.allSettled(jobs.map((each, i) => draw(each, controls[i])));
      const { steps, captures, decodings } = JSON.parse(readFileSync(counts, 'utf8')) as SimCounts;
      return {
        results,
        given: {
          steps: steps - before.steps,
          captures: captures - before.captures,
          decodings: decodings - before.decodings,
        },
      };
    };
    const alone = (jobs: readonly Job[]) =>
      Promise.all(jobs.map(async (each) => ({ status: 'fulfilled', value: await toyImages(model, each) })));

    it('with the images that each has by itself, bit for bit', async () => {
      const jobs = [1, 2, 3, 4].map((seed) => job(seed, { negativeIds: tinyPrompt(20 + seed) }));
      const { results, given } = await together(jobs);
      expect(results).toEqual(await alone(jobs));
      expect(given).toEqual({ steps: STEPS, captures: 1, decodings: 1 });
    });

    it('in as many batches as the engine needs, and leaves alone who is not like them', async () => {
      const jobs = [...[1, 2, 3, 4, 5].map((seed) => job(seed, { sampler: 'euler-a' })), job(6, { latentSize: 6 })];
      const { results, given } = await together(jobs);
      expect(results).toEqual(await alone(jobs));
      expect(given).toEqual({ steps: 3 * STEPS, captures: 3, decodings: 3 });
    });

    it('tells each of its own steps and images', async () => {
      const told: string[] = [];
      const jobs = [job(1), tinyJob(model, { seeds: [2, 3], steps: STEPS }), job(4)];
      const follow = (i: number): GenerateControl => ({
        onStep: ({ image, step }) => told.push(`${i}.${image} ${step}`),
        onImage: ({ image, raster }) => told.push(`${i}.${image} ${raster.width}`),
      });
      const { given } = await together(jobs, [{}, follow(1), follow(2)]);
      expect(given.steps).toBe(STEPS);
      const ends = [1, 2, 3, 4, 5, 6, 32];
      for (const who of ['1.0', '1.1', '2.0'])
        expect(told.filter((line) => line.startsWith(who))).toEqual(ends.map((end) => `${who} ${end}`));
      expect(told).toHaveLength(3 * ends.length);
    });

    it('and goes on when one of them is aborted', async () => {
      const jobs = [1, 2, 3].map((seed) => job(seed, { steps: LONG }));
      const expected = await alone(jobs);
      const controller = new AbortController();
      const { signal } = controller;
      const { results, given } = await together(jobs, [{}, { signal, onStep: () => controller.abort('enough') }]);
      expect(results[1]).toEqual({ status: 'rejected', reason: 'enough' });
      expect([results[0], results[2]]).toEqual([expected[0], expected[2]]);
      expect(given.steps).toBe(LONG);
    });

    it('which a crash fails, each of them, and no other', async () => {
      vi.stubEnv('NODE_OPTIONS', preload('crash-at-event'));
      const crashing = await open();
      const before = crashing.pid;
      const jobs = [1, 2, 3, 4, 5].map((seed) => job(seed));
      const results = jobs.map((each, i) => crashing.generate(each, i === 2 ? { onStep: () => {} } : {}));
      const [first, second, third, fourth, fifth] = await Promise.allSettled(results);
      for (const each of [first, second, third, fourth])
        expect(each).toMatchObject({ status: 'rejected', reason: { code: 'BACKEND_CRASHED' } });
      expect(fifth).toMatchObject({ value: { images: await toyImages(model, jobs[4] as Job) } });
      expect(crashing.pid).not.toBe(before);
      await crashing.close();
    });

    it('which a lost device fails, each of them', async () => {
      const before = session.pid as number;
      process.kill(before, 'SIGUSR2');
      const jobs = [1, 2].map((seed) => job(seed));
      // The signal may arrive behind them.
      const failed = await failure(async () => {
        const results = await Promise.allSettled(jobs.map((each) => session.generate(each)));
        const reasons = results.flatMap((each) => (each.status === 'rejected' ? [each.reason] : []));
        if (reasons.length > 0) throw reasons;
      });
      const lost = { code: 'DEVICE_LOST', hint: expect.stringMatching(/next request starts a fresh/) };
      expect(failed).toMatchObject([lost, lost]);
      expect(await draw(job(3))).toEqual(await toyImages(model, job(3)));
      expect(session.pid).not.toBe(before);
    });
  });

  describe('and the process of its caller', () => {
    it.each(['open', 'generate'])('lets it exit by itself without close, after %s', async (scene) => {
      const caller = startCaller('tensorrt', scene, model, tinyJob(model));
      expect(await caller.exit).toEqual({ code: 0, signal: null });
      expect(caller.lines).toEqual([expect.stringMatching(/^child \d+$/), `done ${scene}`]);
      await caller.childGone();
    });

    it.each(['SIGKILL', 'SIGTERM'] as const)('goes when the caller is ended by %s, even in a job', async (signal) => {
      const caller = startCaller('tensorrt', 'busy', model, tinyJob(model, { steps: LONG }));
      await caller.line('step');
      caller.kill(signal);
      await caller.exit;
      await caller.childGone();
    });
  });
});

/** What a call rejects with, tried again for as long as it does not. */
async function failure(call: () => Promise<unknown>): Promise<unknown> {
  for (;;) {
    try {
      await call();
    } catch (error) {
      return error;
    }
  }
}
