import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const TINY = fileURLToPath(new URL('../fixtures/tiny', import.meta.url));

// `t2i bench` has tests of its own, and so have the scripts in Python, among the trainer's.
it('benchmarks/verify-margins.mjs runs, and measures every format and edit', async () => {
  const flags = ['--model', TINY, '--steps', '1', '--seeds', '2', '--qualities', '80', '--quick'];
  const { stdout } = await promisify(execFile)(process.execPath, ['benchmarks/verify-margins.mjs', ...flags], {
    cwd: ROOT,
  });
  const { results, seeds } = JSON.parse(stdout);
  expect(seeds).toBe(2);
  expect(Object.keys(results)).toEqual(['lossless', 'jpeg, quality 80', 'jpeg 4:2:0, quality 80', 'webp, quality 80']);
  for (const measured of Object.values<Record<string, number>>(results)) {
    const { same, seeds: otherSeed, ...edits } = measured;
    expect(same).toBeLessThan(1);
    expect([otherSeed, ...Object.values(edits)].every((share) => (share as number) > 0)).toBe(true);
    expect(Object.keys(edits)).toHaveLength(4);
  }
});

it.each([
  ['a model', []],
  ['a model that takes 50 ms and none of the processor’s', ['--paced', '50']],
])(
  'benchmarks/serve-overload.mjs runs with %s, and tells what was carried out from what was refused',
  async (_, more) => {
    const flags = ['--model', TINY, '--connections', '30', '--seconds', '1', '--queue', '2', '--steps', '20', ...more];
    const { stdout } = await promisify(execFile)(process.execPath, ['benchmarks/serve-overload.mjs', ...flags], {
      cwd: ROOT,
    });
    const { carriedOutMs, refusedMs, healthMs, failed, serviceMs, paced } = JSON.parse(stdout);
    expect([failed, paced]).toEqual([0, more.length > 0]);
    for (const { count, p50, p99 } of [carriedOutMs, refusedMs, healthMs]) {
      expect(count).toBeGreaterThan(0);
      expect(p99).toBeGreaterThanOrEqual(p50);
    }
    expect(serviceMs).toBeGreaterThan(0);
  },
);
