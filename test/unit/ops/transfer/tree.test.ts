import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { listFiles, listFolder, staysInside } from '../../../../src/ops/transfer/tree.js';

describe('a path', () => {
  it.each(['a', 'a/b.c', '.hidden/..a', 'ä b/c...', 'a\nb'])('stays inside: %j', (path) => {
    expect(staysInside(path)).toBe(true);
  });

  it.each(['', '/a', 'a/', 'a//b', '.', '..', '../a', 'a/..', 'a/./b', 'a\n/../../b', 'a\\..\\b', 'C:a', 'a\0'])(
    'leads elsewhere on one system or another: %j',
    (path) => {
      expect(staysInside(path)).toBe(false);
    },
  );
});

describe('the files of a folder', () => {
  let root: string;
  let folder: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 't2i-tree-'));
    folder = join(root, 'data');
    mkdirSync(join(folder, 'a/b'), { recursive: true });
    for (const path of ['z.txt', 'a/b/c.txt', 'a/a.txt']) writeFileSync(join(folder, path), path);
    writeFileSync(join(root, 'cached'), 'of the cache');
  });
  afterEach(() => rmSync(root, { recursive: true }));

  it('are told by paths with forward slashes, sorted', async () => {
    expect(await listFiles(folder)).toEqual(['a/a.txt', 'a/b/c.txt', 'z.txt']);
  });

  it('are also those that DVC linked into it, and of a folder that is a link itself', async () => {
    symlinkSync('../../cached', join(folder, 'a/linked.txt'));
    symlinkSync(folder, join(root, 'link'));
    for (const path of [folder, join(root, 'link')])
      expect(await listFiles(path)).toEqual(['a/a.txt', 'a/b/c.txt', 'a/linked.txt', 'z.txt']);
  });

  it.each([
    ['to nothing', '../nothing', /Cannot read .*linked: ENOENT/],
    ['to a folder', 'a', /linked is a link to something that is not a file/],
  ])('are not told without one behind a link %s', async (_, target, message) => {
    symlinkSync(target, join(folder, 'linked'));
    await expect(listFiles(folder)).rejects.toMatchObject({
      code: 'IO_FAILED',
      message: expect.stringMatching(message),
    });
  });

  it('are none where it is missing, if that may be', async () => {
    expect(await listFolder(join(root, 'nothing'))).toEqual([]);
    await expect(listFiles(join(root, 'nothing'))).rejects.toMatchObject({ code: 'IO_FAILED' });
    await expect(listFolder(join(root, 'cached'))).rejects.toMatchObject({ code: 'IO_FAILED' });
  });
});
