import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { noBuild } from '../support/native.js';
import { skipFor } from '../support/skip-for.js';

const SCENES = fileURLToPath(new URL('./scenes.mjs', import.meta.url));

/** How a process ends in the middle of native work: by itself, never by a signal, as one that waits for the work to end would. */
function play(scene: string) {
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, [SCENES, scene], {
    encoding: 'utf8',
    timeout: 50_000,
  });
  return { status, signal, lines: stdout.trim().split('\n'), stderr };
}

describe('a process', skipFor(noBuild('sim')), () => {
  it.each([
    ['with an idle session ends by itself', 'idle', 0, ['ready']],
    ['waits for a job that nobody awaits', 'busy', 0, ['ready', 'done']],
    ['waits for a session that is being closed', 'closing', 0, ['ready', 'done']],
    ['that exits in a run keeps its exit code and frees the device', 'exit', 7, ['ready', '0 left']],
    ['that exits in the listener keeps its exit code', 'exit-in-listener', 7, ['']],
    ['may still call a session while it exits', 'exit-and-on', 7, ['done']],
    ['that exits while sessions open keeps its exit code', 'exit-in-open', 7, ['ready']],
  ])('%s', (_, scene, status, lines) => {
    expect(play(scene)).toEqual({ status, signal: null, lines, stderr: '' });
  });

  it('that exits while an engine is built does not wait for the engine', () => {
    expect(play('exit-in-build')).toMatchObject({ status: 7, signal: null, stderr: '' });
  });

  it('that dies of an uncaught error in a run says so, and no more', () => {
    const { status, signal, stderr } = play('throw');
    expect([status, signal]).toEqual([1, null]);
    expect(stderr).toContain('uncaught on purpose');
  });
});
