import { spawnSync } from 'node:child_process';
import { setImmediate } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { collectGarbage } from '../support/garbage.js';
import { noBuild } from '../support/native.js';
import { skipFor } from '../support/skip-for.js';
import { addon, openTiny, sessionOptions, tinyJob } from './tiny-native.mjs';

const SCRIPT = fileURLToPath(new URL('./memory.mjs', import.meta.url));
const TIMES = 5_000;
/** What malloc takes for one byte: it would be lost in each repetition. */
const SMALLEST_BLOCK = 32;

/** What V8 knows of native memory once everything that nobody holds is freed; finalisers run a turn after the collector. */
async function settled(): Promise<number> {
  for (let i = 0; i < 4; i++) {
    collectGarbage();
    await setImmediate();
  }
  return addon.sim.externalMemory();
}

describe('memory', skipFor(noBuild('sim')), () => {
  it.each(['sessions', 'failed opens', 'forgotten sessions', 'jobs', 'aborted jobs'])(
    'stays flat over many %s',
    (what) => {
      const child = spawnSync(process.execPath, ['--expose-gc', SCRIPT, what, String(TIMES)], { encoding: 'utf8' });
      expect(child.stderr).toBe('');
      const { allocated, live } = JSON.parse(child.stdout) as { allocated: number[]; live: number };
      // A leak grows in every tenth; what Node and the libraries keep is kept once.
      const growth = allocated.slice(1).map((bytes, tenth) => bytes - (allocated[tenth] as number));
      expect(growth.sort((one, other) => one - other)[4]).toBeLessThan((SMALLEST_BLOCK / 2) * (TIMES / 10));
      expect(live).toBe(0);
    },
    600_000,
  );

  it('of engines is known to V8 while they are open', async () => {
    const { engines } = await sessionOptions();
    const serialized = engines.textEncoder.length + engines.unet.length + engines.vaeDecoder.length;
    const before = await settled();
    const sessions = await Promise.all(Array.from({ length: 40 }, openTiny));
    // Small beside forty sessions; the test's own buffers come and go meanwhile.
    const noise = 10 * serialized;
    expect((await settled()) - before).toBeGreaterThan(40 * serialized - noise);
    await Promise.all(sessions.map((session) => session.close()));
    expect((await settled()) - before).toBeLessThan(noise);
  });

  it('of images is known to V8, and freed with them', async () => {
    const session = await openTiny();
    const generate = () => session.generate(tinyJob({ side: 16, steps: 1, images: 4 }), null, null);
    await generate();
    const before = await settled();
    const results = [await generate(), await generate()];
    const grown = addon.sim.externalMemory() - before;
    expect(results.flatMap(({ images }) => images)).toHaveLength(8);
    expect(grown).toBeGreaterThanOrEqual(8 * 128 * 128 * 3);
    results.length = 0;
    expect((await settled()) - before).toBeLessThan(128 * 128 * 3);
    await session.close();
  });

  it('of a forgotten session is freed, but not while its job runs', async () => {
    const result = (await openTiny()).generate(tinyJob({ steps: 2000 }), null, null);
    for (let i = 0; i < 5; i++) {
      collectGarbage();
      await setImmediate();
    }
    expect((await result).images).toHaveLength(1);
    for (let i = 0; i < 200 && addon.sim.live() > 0; i++) {
      collectGarbage();
      await setImmediate();
    }
    expect(addon.sim.live()).toBe(0);
  });
});
