import { execFileSync, spawn, spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { processOfPreview } from '../../src/cli/generate/preview-file.js';
import { processTag } from '../../src/process-tag.js';
import { removeLeftovers, temporaryPath } from '../../src/temporary-files.js';
import { noPosix, skipFor } from '../support/skip-for.js';

const TWO_DAYS_AGO = new Date(Date.now() - 2 * 24 * 60 * 60 * 1000);

let folder: string;
let dead: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 't2i-leftovers-'));
  dead = processTag(spawnSync(process.execPath, ['-e', '']).pid);
});
afterEach(() => rmSync(folder, { recursive: true }));

/** A temporary file that the process wrote, beside apple.png. */
function leave(tag: string, written = new Date()): string {
  const path = temporaryPath(join(folder, 'apple.png')).replace(processTag(), tag);
  writeFileSync(path, 'half');
  utimesSync(path, written, written);
  return path;
}

describe('leftovers', () => {
  it('of a process that is gone are removed', async () => {
    leave(dead);
    writeFileSync(temporaryPath(join(folder, 'a\nb.png')).replace(processTag(), dead), '');
    await removeLeftovers(folder);
    expect(readdirSync(folder)).toEqual([]);
  });

  it('of one that runs are not, however old they are', async () => {
    const other = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
    try {
      const path = leave(processTag(other.pid), TWO_DAYS_AGO);
      await removeLeftovers(folder);
      expect(existsSync(path)).toBe(true);
    } finally {
      other.kill();
    }
  });

  it.each([
    ['elsewhere', () => dead.replace(/-.*/, '-0123456789abcdef')],
    ['of the same id, which a container gives again and again', () => processTag()],
  ])('of a process %s are removed after a day', async (_, tag) => {
    const [now, then] = [leave(tag()), leave(tag(), TWO_DAYS_AGO)];
    await removeLeftovers(folder);
    expect(readdirSync(folder)).toEqual([basename(now)]);
    expect(existsSync(then)).toBe(false);
  });

  it('are nothing else: no other name, no folder, no link', async () => {
    const ours = basename(leave(dead));
    const others = ['apple.png', '.apple.png.0123456789ab.tmp', ours.slice(1), `${ours}.bak`, `.x${dead}.tmp`];
    for (const name of others) writeFileSync(join(folder, name), '');
    rmSync(join(folder, ours));
    mkdirSync(join(folder, ours));
    const link = basename(temporaryPath('b')).replace(processTag(), dead);
    symlinkSync('apple.png', join(folder, link));
    await removeLeftovers(folder);
    expect(readdirSync(folder).sort()).toEqual([...others, ours, link].sort());
  });

  it('are looked for without waiting for the writer of a pipe', skipFor(noPosix), async () => {
    execFileSync('mkfifo', [join(folder, 'pipe.preview.png')]);
    await removeLeftovers(folder, processOfPreview);
    expect(readdirSync(folder)).toHaveLength(1);
  });

  it('of a folder that is not there are none', async () => {
    await removeLeftovers(join(folder, 'none'));
    await removeLeftovers(join(folder, 'a\0'));
  });
});
