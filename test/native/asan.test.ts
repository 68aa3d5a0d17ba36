import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { noBuild } from '../support/native.js';
import { skipFor } from '../support/skip-for.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** Of the compiler that built the addon; Node itself is not instrumented, so it must be there first. */
const { stdout: runtime } = spawnSync('g++', ['-print-file-name=libasan.so'], { encoding: 'utf8' });

/** Runs Node with the addon of build/asan; a finding ends the process with 99. */
function runSanitized(args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, args, {
    cwd: ROOT,
    encoding: 'utf8',
    env: {
      ...process.env,
      T2I_TEST_BUILD: 'asan',
      LD_PRELOAD: runtime.trim(),
      // Node itself keeps memory until it ends.
      ASAN_OPTIONS: 'detect_leaks=0:exitcode=99:halt_on_error=1',
      UBSAN_OPTIONS: 'halt_on_error=1:exitcode=99:print_stacktrace=1',
    },
  });
  return { status, output: stdout + stderr };
}

describe('the addon under AddressSanitizer and UndefinedBehaviorSanitizer', skipFor(noBuild('asan')), () => {
  it('would be caught by it', () => {
    const mistake = "import('./test/native/tiny-native.mjs').then(({ addon }) => addon.sim.overrun())";
    const { status, output } = runSanitized(['-e', mistake]);
    expect(output).toContain('AddressSanitizer: heap-buffer-overflow');
    expect(output).toContain('overrun');
    expect(status).toBe(99);
  });

  // In one run of vitest: under AddressSanitizer its start takes longer than most of these files.
  it('passes the tests of the addon without a finding', () => {
    const names = ['addon', 'session', 'failures', 'lifecycle', 'worker-threads'];
    const files = names.map((name) => `test/native/${name}.test.ts`);
    const { status, output } = runSanitized(['node_modules/vitest/vitest.mjs', 'run', ...files, '--maxWorkers=1']);
    expect(output).not.toMatch(/AddressSanitizer|runtime error:/);
    expect(output).toMatch(/Test Files .*5 passed/);
    expect(status, output).toBe(0);
  }, 600_000);
});
