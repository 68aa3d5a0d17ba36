import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { expect, it, vi } from 'vitest';
import {
  isTemporaryName,
  readEngineFile,
  writeEngineFile,
} from '../../../../../src/backends/tensorrt/engines/engine-file.js';
import { MersenneTwister } from '../../../../../src/diffusion/mersenne-twister.js';
import { engineFolder, headerOf } from '../../../../support/engines.js';

const WRITER = fileURLToPath(new URL('../../../../support/write-engines.mjs', import.meta.url));
const KILLS = 40;
const serialized = new Uint8Array(5_000_000).map((_, i) => i % 255);

// Each starts a Node: on a machine that does much else that takes its time.
it(`leaves no half engine where the writer is killed, at ${KILLS} random moments`, { timeout: 600_000 }, async () => {
  const folder = engineFolder();
  const source = join(folder, 'source.engine');
  await writeEngineFile(source, { header: headerOf({}, serialized), serialized });
  const random = new MersenneTwister(3);
  let [halves, wholes] = [0, 0];
  for (let kill = 0; kill < KILLS; kill++) {
    const target = join(folder, String(kill), 'target.engine');
    mkdirSync(join(folder, String(kill)));
    const writer = spawn(process.execPath, [WRITER, source, target], { stdio: ['ignore', 'ignore', 'inherit'] });
    // In turns while the first file is written and when it is there, so that a machine of any speed shows both.
    const begun = kill % 2 === 0 ? () => readdirSync(join(folder, String(kill))).length > 0 : () => existsSync(target);
    await vi.waitUntil(begun, { timeout: 50_000, interval: 1 });
    await setTimeout(random.next() % 20);
    writer.kill('SIGKILL');
    await once(writer, 'close');
    const others = readdirSync(join(folder, String(kill))).filter((name) => name !== 'target.engine');
    expect(others.filter((name) => !isTemporaryName(name))).toEqual([]);
    halves += others.length;
    if (!existsSync(target)) continue;
    wholes++;
    expect((await readEngineFile(target)).header).toEqual(headerOf({}, serialized));
  }
  // Else the moments were not random enough to say anything.
  expect(halves).toBeGreaterThan(0);
  expect(wholes).toBeGreaterThan(0);
});
