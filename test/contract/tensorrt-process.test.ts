import { setTimeout } from 'node:timers/promises';
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

  it('waits longer before each start when it keeps crashing, and may be closed meanwhile', async () => {
    vi.stubEnv('T2I_FAKE_TENSORRT', 'crash-enqueue');
    const waits: number[] = [];
    process.kill(session.pid as number, 'SIGKILL');
    while (isAlive(session.pid as number)) await setTimeout(10);
    for (let crash = 0; crash < 3; crash++) {
      const [before, start] = [session.pid, performance.now()];
      const job = session.generate(tinyJob(model));
      while (session.pid === before) await setTimeout(5);
      waits.push(performance.now() - start);
      await expect(job).rejects.toMatchObject({ code: 'BACKEND_CRASHED' });
    }
    // At once, then after 250 and after 500 ms; timers may come a little early.
    expect(waits[0]).toBeLessThan(waits[1] as number);
    expect(waits[1]).toBeGreaterThan(245);
    expect(waits[2]).toBeGreaterThan(495);
    const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
    const before = timers();
    const waiting = session.generate(tinyJob(model));
    await setTimeout(50);
    expect(timers()).toBe(before + 1);
    await Promise.all([expect(waiting).rejects.toMatchObject({ code: 'CLOSED' }), session.close()]);
    expect(timers()).toBe(before);
  });

  it('gives an abort its reason at once while it waits to start again', async () => {
    vi.stubEnv('T2I_FAKE_TENSORRT', 'crash-enqueue');
    await session.close();
    session = await open();
    for (let crash = 0; crash < 5; crash++) await session.generate(tinyJob(model)).catch(() => {});
    vi.stubEnv('T2I_FAKE_TENSORRT', '');
    const controller = new AbortController();
    const waiting = session.generate(tinyJob(model), { signal: controller.signal });
    const start = performance.now();
    setTimeout(50).then(() => controller.abort('enough'));
    await expect(waiting).rejects.toBe('enough');
    // The start itself is two seconds away.
    expect(performance.now() - start).toBeLessThan(1500);
    expect((await session.generate(tinyJob(model))).images).toEqual(await toyImages(model, tinyJob(model)));
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
      await setTimeout(20);
    } catch (error) {
      return error;
    }
  }
}
