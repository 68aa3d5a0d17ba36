import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { ProcessSession } from '../../src/backends/process/process-session.js';
import type { ModelDescription } from '../../src/model/description.js';
import { describeModel } from '../../src/model/layout.js';
import { noBuild } from '../support/native.js';
import { type SimTensorrt, simTensorrt } from '../support/sim-tensorrt.js';
import { skipFor } from '../support/skip-for.js';
import { toyImages } from '../support/toy-networks.js';
import { isAlive, startCaller } from './start-caller.js';
import { fixture, tinyJob } from './tiny-jobs.js';

const LONG = 500;
const LOSE_DEVICE = fileURLToPath(new URL('./lose-device.cjs', import.meta.url));

describe('the process of an isolated tensorrt session', skipFor(noBuild('sim')), () => {
  let sim: SimTensorrt;
  let model: ModelDescription;
  let session: ProcessSession;
  const open = async () => (await sim.backend.open(model, { isolation: 'process' })) as ProcessSession;

  beforeAll(async () => {
    sim = simTensorrt(10) as SimTensorrt;
    sim.use();
    model = await describeModel(fixture('tiny'));
    await sim.build(model);
  });
  beforeEach(async () => {
    vi.stubEnv('NODE_OPTIONS', `--require ${LOSE_DEVICE}`);
    session = await open();
  });
  afterEach(async () => {
    vi.unstubAllEnvs();
    await session.close();
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
