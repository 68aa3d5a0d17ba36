import { spawnSync } from 'node:child_process';
import { setImmediate } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { noBuild } from '../support/native.js';
import { skipFor } from '../support/skip-for.js';
import { addon, openTiny, sessionOptions, tinyJob } from './tiny-native.mjs';

const SCRIPT = fileURLToPath(new URL('./memory.mjs', import.meta.url));
const MiB = 1024 ** 2;

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** What V8 knows of native memory once everything that nobody holds is freed; finalisers run a turn after the collector. */
async function settled(): Promise<number> {
  for (let i = 0; i < 4; i++) {
    collect();
    await setImmediate();
  }
  return addon.sim.externalMemory();
}

describe('memory', skipFor(noBuild('sim')), () => {
  it.each([
    ['sessions', 100_000],
    ['failed opens', 10_000],
    ['forgotten sessions', 5_000],
    ['jobs', 5_000],
    ['aborted jobs', 20_000],
  ])(
    'stays flat over many %s',
    (what, times) => {
      const child = spawnSync(process.execPath, ['--expose-gc', SCRIPT, what, String(times)], { encoding: 'utf8' });
      expect(child.stderr).toBe('');
      const { resident, live } = JSON.parse(child.stdout) as { resident: number[]; live: number };
      console.log(`${times} ${what}: ${resident.map((bytes) => Math.round(bytes / MiB)).join(' ')} MiB`);
      // A leak grows in every tenth, V8's heap in a step now and then.
      const growth = resident.slice(1).map((bytes, tenth) => (bytes - (resident[tenth] as number)) / MiB);
      expect(growth.sort((one, other) => one - other)[4]).toBeLessThan(0.4);
      expect(live).toBe(0);
    },
    600_000,
  );

  it('of engines is known to V8 while they are open', async () => {
    const { engines } = await sessionOptions();
    const plans = engines.textEncoder.length + engines.unet.length + engines.vaeDecoder.length;
    const before = await settled();
    const sessions = await Promise.all(Array.from({ length: 40 }, openTiny));
    // Small beside forty sessions; the test's own buffers come and go meanwhile.
    const noise = 10 * plans;
    expect((await settled()) - before).toBeGreaterThan(40 * plans - noise);
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
      collect();
      await setImmediate();
    }
    expect((await result).images).toHaveLength(1);
    for (let i = 0; i < 200 && addon.sim.live() > 0; i++) {
      collect();
      await setImmediate();
    }
    expect(addon.sim.live()).toBe(0);
  });
});
