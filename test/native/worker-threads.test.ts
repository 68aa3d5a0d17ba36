import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { noBuild } from '../support/native.js';
import { skipFor } from '../support/skip-for.js';
import { addon, openTiny, tinyJob } from './tiny-native.mjs';

const SCENES = new URL('./scenes.mjs', import.meta.url);

/** A worker thread that is in the middle of its scene. */
async function ready(scene: string): Promise<Worker> {
  const worker = new Worker(SCENES, { workerData: scene });
  const [line] = await once(worker, 'message');
  expect(line).toBe('ready');
  return worker;
}

describe('worker threads', skipFor(noBuild('sim')), () => {
  it('load the addon side by side and make the main thread’s images', async () => {
    const session = await openTiny();
    const { images } = await session.generate(tinyJob({ seed: 11 }), null, null);
    const workers = [1, 2, 3, 4].map(() => new Worker(SCENES, { workerData: 'images' }));
    const made = await Promise.all(workers.map(async (worker) => (await once(worker, 'message'))[0]));
    expect(new Set(made)).toEqual(new Set([Buffer.from(images[0]?.rgb ?? []).toString('base64')]));
    await Promise.all(workers.map((worker) => worker.terminate()));
    await session.close();
    expect(addon.sim.live()).toBe(0);
  });

  it('may be terminated in a run, at any moment', async () => {
    for (let delay = 0; delay < 20; delay++) {
      const worker = await ready('run');
      await setTimeout(delay);
      expect(await worker.terminate()).toBe(1);
      expect(addon.sim.live()).toBe(0);
    }
  });

  it('may be terminated while sessions read their engines', async () => {
    for (let delay = 0; delay < 20; delay++) {
      const worker = await ready('opening');
      await setTimeout(delay / 2);
      await worker.terminate();
      expect(addon.sim.live()).toBe(0);
    }
  });

  it('may be terminated before anything is ready', async () => {
    for (let delay = 0; delay < 60; delay += 3) {
      const worker = new Worker(SCENES, { workerData: 'run' });
      await setTimeout(delay);
      await worker.terminate();
      expect(addon.sim.live()).toBe(0);
    }
  });

  it('may be terminated in a listener that never returns', async () => {
    const worker = await ready('hang-in-listener');
    expect(await worker.terminate()).toBe(1);
    expect(addon.sim.live()).toBe(0);
  });

  it('may exit, or die of an uncaught error, in a run', async () => {
    // Listened to from the start: on a busy machine the end may come together with the word that the run has begun.
    const [code] = await once(new Worker(SCENES, { workerData: 'exit' }), 'exit');
    expect(code).toBe(7);
    const dying = new Worker(SCENES, { workerData: 'throw' });
    const exit = new Promise((resolve) => dying.once('exit', resolve));
    const [error] = await once(dying, 'error');
    expect(error.message).toBe('uncaught on purpose');
    await exit;
    expect(addon.sim.live()).toBe(0);
  });

  it('may come and go where the main thread never loads the addon', () => {
    const main = `
      const { Worker } = require('node:worker_threads');
      (async () => {
        for (const scene of ['images', 'run', 'idle', 'exit', 'run', 'images']) {
          const worker = new Worker(${JSON.stringify(fileURLToPath(SCENES))}, { workerData: scene });
          await new Promise((resolve) => worker.once('message', resolve));
          await worker.terminate();
        }
        console.log('whole');
      })();`;
    const { status, stdout, stderr } = spawnSync(process.execPath, ['-e', main], { encoding: 'utf8', timeout: 50_000 });
    expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: 'whole\n', stderr: '' });
  });
});
