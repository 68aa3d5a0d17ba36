import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { KernelKeeper } from '../../src/backends/tensorrt/kernel-keeper.js';
import { type NoiseDrawer, NoiseThread } from '../../src/backends/tensorrt/noise-thread.js';
import { TensorrtSession } from '../../src/backends/tensorrt/session.js';
import { drawNoise, type NoiseOrder, SharedNoise } from '../../src/backends/tensorrt/shared-noise.js';
import type { ModelDescription } from '../../src/model/description.js';
import { describeModel } from '../../src/model/layout.js';
import { fixture, tinyJob } from '../contract/tiny-jobs.js';
import { noBuild } from '../support/native.js';
import { skipFor } from '../support/skip-for.js';
import { addon, openTiny, spinUntil } from './tiny-native.mjs';

const HASHES = { textEncoder: 'a', unet: 'b', vaeDecoder: 'c' };
const NO_KERNELS = { textEncoder: null, unet: null, vaeDecoder: null };

describe('a session whose noise is drawn elsewhere', skipFor(noBuild('sim')), () => {
  let model: ModelDescription;
  let sessions: TensorrtSession[];
  beforeAll(async () => {
    model = await describeModel(fixture('tiny'));
  });
  beforeEach(() => {
    sessions = [];
  });
  afterEach(async () => {
    addon.sim.failCall(0, 'none');
    for (const session of sessions) await session.close();
    expect(addon.sim.live()).toBe(0);
  });

  const open = async (noise: NoiseDrawer) => {
    const native = await openTiny();
    const keeper = new KernelKeeper(native, HASHES, HASHES, NO_KERNELS);
    const facts = { runtime: 'tensorrt 10', engines: HASHES, precisions: HASHES, warnings: [], strict: true };
    const session = new TensorrtSession(native, facts, model.latentChannels, keeper, noise);
    sessions.push(session);
    addon.sim.failCall(0, 'none');
    return session;
  };
  const here: NoiseDrawer = { draw: drawNoise, close: () => {} };
  /** Every step but the last adds noise. */
  const ancestral = (seeds: readonly number[]) =>
    tinyJob(model, { seeds, sampler: 'euler-a', steps: 400, latentSize: 16 });

  it('runs to its end while JavaScript does nothing but wait', async () => {
    const job = ancestral([1, 2]);
    const expected = await (await open(here)).generate(job);
    const session = await open(new NoiseThread());
    const result = session.generate(job);
    // It is handed over within the turn of the call.
    await Promise.resolve().then(() => {});
    spinUntil(() => addon.sim.callsOf('elapsed') > 0);
    expect(addon.sim.callsOf('launch')).toBe(399);
    const { images, noiseSha256 } = await result;
    expect({ images, noiseSha256 }).toEqual({ images: expected.images, noiseSha256: expected.noiseSha256 });
  });

  it('runs each step when its own noise is there, whatever is not drawn yet', async () => {
    const job = ancestral([1]);
    const expected = await (await open(here)).generate(job);
    const orders: NoiseOrder[] = [];
    const session = await open({ draw: (order) => orders.push(order), close: () => {} });
    let ahead = 0;
    const whole = SharedNoise.for(job.plan, 4 * 16 * 16);
    const result = session.generate(job, { onStep: ({ step }) => drawTo(step + 3) });
    await Promise.resolve();
    const [order] = orders as [NoiseOrder];
    drawNoise({ ...order, memories: [whole.memory] });
    const theirs = new SharedNoise(order.memories[0] as SharedArrayBuffer);
    const drawTo = (blocks: number) => {
      for (; ahead < Math.min(blocks, order.blocks); ahead++) {
        const block = whole.values.subarray(ahead * order.latentSize, (ahead + 1) * order.latentSize);
        theirs.put(ahead, block, ahead + 1 === order.blocks ? whole.sha256 : null);
      }
    };
    drawTo(3);
    const { images, noiseSha256 } = await result;
    expect({ images, noiseSha256 }).toEqual({ images: expected.images, noiseSha256: expected.noiseSha256 });
  });

  it('is aborted while it waits for noise that nobody draws, and wants none of it', async () => {
    const orders: NoiseOrder[] = [];
    const session = await open({ draw: (order) => orders.push(order), close: () => {} });
    const controller = new AbortController();
    const result = session.generate(ancestral([1]), { signal: controller.signal });
    await Promise.resolve();
    controller.abort('enough');
    await expect(result).rejects.toBe('enough');
    expect(new SharedNoise(orders[0]?.memories[0] as SharedArrayBuffer).abandoned).toBe(true);
  });

  it.each([
    ['cannot be loaded', "import './nowhere.mjs';"],
    ['ends', 'process.exit(1);'],
    [
      'fails at its first order',
      "import { parentPort } from 'node:worker_threads'; parentPort.on('message', () => { throw new Error('no'); });",
    ],
  ])('has the images of its seeds though the thread %s', async (_, source) => {
    const job = ancestral([5]);
    const expected = await (await open(here)).generate(job);
    const folder = mkdtempSync(join(tmpdir(), 't2i-noise-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const entry = join(folder, 'thread.mjs');
    writeFileSync(entry, source);
    const session = await open(new NoiseThread(entry));
    for (let round = 0; round < 2; round++) {
      const { images, noiseSha256 } = await session.generate(job);
      expect({ images, noiseSha256 }).toEqual({ images: expected.images, noiseSha256: expected.noiseSha256 });
    }
  });
});
