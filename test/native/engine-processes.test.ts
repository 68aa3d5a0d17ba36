import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { listEngines } from '../../src/backends/tensorrt/engines/engine-cache.js';
import { MersenneTwister } from '../../src/diffusion/mersenne-twister.js';
import { engineFolder } from '../support/engines.js';
import { buildFolder, noBuild } from '../support/native.js';
import { skipFor } from '../support/skip-for.js';

const SCRIPT = fileURLToPath(new URL('../support/ensure-engines.mjs', import.meta.url));
const TINY = fileURLToPath(new URL('../fixtures/tiny', import.meta.url));
const build = buildFolder('sim');
const KILLS = 12;

function start(dir: string, failures = ''): ChildProcess {
  return spawn(process.execPath, [SCRIPT, TINY, build as string, dir], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, T2I_FAKE_TENSORRT: failures },
  });
}

/** Which engines a process that ended well says it built. */
async function builtBy(child: ChildProcess): Promise<boolean[]> {
  const output = await text(child.stdout as NonNullable<typeof child.stdout>);
  expect(child.exitCode ?? (await once(child, 'exit'))[0]).toBe(0);
  return JSON.parse(output.slice(output.indexOf('[')));
}

describe('processes that build engines', skipFor(noBuild('sim')), () => {
  it('end with one result and no error, and build each engine once', async () => {
    const dir = engineFolder();
    const built = await Promise.all(Array.from({ length: 3 }, () => builtBy(start(dir))));
    expect(built.flat().filter(Boolean)).toHaveLength(3);
    const entries = await listEngines(dir);
    expect(entries).toHaveLength(3);
    expect(entries.filter((entry) => 'damage' in entry)).toEqual([]);
    expect(readdirSync(dir)).toHaveLength(3);
  });

  it(`leave nothing that could be taken for an engine when they are killed, ${KILLS} times, nor a lock that holds`, async () => {
    const dir = engineFolder();
    const random = new MersenneTwister(11);
    for (let kill = 0; kill < KILLS; kill++) {
      const child = start(dir, 'slow-build');
      await once(child.stdout as NonNullable<typeof child.stdout>, 'data');
      await setTimeout(random.next() % 300);
      child.kill('SIGKILL');
      await once(child, 'exit');
      expect(await listEngines(dir)).toEqual([]);
    }
    expect(readdirSync(dir).filter((name) => name.endsWith('.lock'))).toHaveLength(1);
    expect(await builtBy(start(dir))).toEqual([true, true, true]);
    expect(readdirSync(dir).filter((name) => name.endsWith('.lock'))).toEqual([]);
  });
});
