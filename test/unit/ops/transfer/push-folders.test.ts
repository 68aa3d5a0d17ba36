import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { pushFolders } from '../../../../src/ops/transfer/push-folders.js';
import { copyFile, hashOf, sameFile } from '../../../../src/ops/transfer/tree.js';
import { openFilesIn } from '../../../support/open-files.js';
import { noLinux, skipFor } from '../../../support/skip-for.js';

let project: string;
beforeEach(() => {
  project = mkdtempSync(join(tmpdir(), 't2i-push-'));
  write('data/raw/images/a.png', 'image a');
  write('data/raw/captions/a.txt', 'a red apple');
});
afterEach(() => rmSync(project, { recursive: true }));

const write = (path: string, text: string) => {
  mkdirSync(join(project, path, '..'), { recursive: true });
  writeFileSync(join(project, path), text);
};
const signal = new AbortController().signal;
const push = (target = 'remote') => pushFolders(project, ['data/raw', 'data/prepared'], target, signal);
const files = (folder: string) =>
  readdirSync(join(project, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ name }) => name)
    .sort();

describe('a push', () => {
  it('copies what is new or different, removes what is gone, and says the same for the same', async () => {
    const first = await push();
    expect(first).toMatchObject({ target: 'remote', files: 2, bytes: 18, copied: 2 });
    expect(files('remote')).toEqual(['a.png', 'a.txt', 'manifest.json']);
    expect(
      JSON.parse(readFileSync(join(project, 'remote/manifest.json'), 'utf8'))['data/raw/captions/a.txt'],
    ).toMatchObject({ bytes: 11 });
    const { ino } = statSync(join(project, 'remote/data/raw/images/a.png'));
    expect(await push()).toEqual({ ...first, copied: 0 });
    write('data/raw/captions/a.txt', 'a red house');
    rmSync(join(project, 'data/raw/images/a.png'));
    write('data/prepared/rows.safetensors', 'rows');
    expect(await push()).toMatchObject({ files: 2, copied: 2 });
    expect(files('remote')).toEqual(['a.txt', 'manifest.json', 'rows.safetensors']);
    expect(readFileSync(join(project, 'remote/data/raw/captions/a.txt'), 'utf8')).toBe('a red house');
    expect(ino).toBeGreaterThan(0);
  });

  it('mends a file that was damaged there, though its size and time are right', async () => {
    await push();
    const copy = join(project, 'remote/data/raw/captions/a.txt');
    writeFileSync(copy, 'a red appla');
    expect(await push()).toMatchObject({ copied: 1 });
    expect(readFileSync(copy, 'utf8')).toBe('a red apple');
  });

  it('goes on where it was stopped', async () => {
    const controller = new AbortController();
    const stopped = pushFolders(
      project,
      ['data/raw'],
      'remote',
      controller.signal,
      ({ done }) => done === 1 && controller.abort('stop'),
    );
    await expect(stopped).rejects.toBe('stop');
    expect(files('remote')).toEqual(['a.txt']);
    expect(await push()).toMatchObject({ copied: 1 });
  });

  it('refuses an address that it cannot reach', async () => {
    for (const scheme of ['gs://', 'X+1.-a://', 'q://']) {
      await expect(push(`${scheme}bucket/prefix`)).rejects.toMatchObject({
        code: 'OPTION_INVALID',
        message: expect.stringContaining('data.remote'),
        issues: [{ option: 'data.remote', received: scheme }],
      });
    }
    // A folder may have such a name within.
    expect(await push('kept/gs://bucket')).toMatchObject({ copied: 2 });
  });

  it('is refused where a folder of the project cannot be read, and keeps what was pushed', async () => {
    await push();
    rmSync(join(project, 'data/raw'), { recursive: true });
    write('data/raw', 'no folder');
    await expect(push()).rejects.toMatchObject({ code: 'IO_FAILED', message: expect.stringContaining('data/raw') });
    expect(files('remote')).toEqual(['a.png', 'a.txt', 'manifest.json']);
  });

  it('tells how far it is, to the end', async () => {
    const told: [number, number][] = [];
    await pushFolders(project, ['data/raw', 'gone'], 'remote', signal, ({ done, total }) => told.push([done, total]));
    expect(told).toEqual([
      [0, 2],
      [1, 2],
      [2, 2],
    ]);
  });
});

describe('a copied file', () => {
  const appendTo = (path: string) => {
    const { atime, mtime } = statSync(path);
    appendFileSync(path, 'more');
    utimesSync(path, atime, mtime);
  };
  it.each<[string, (path: string) => void]>([
    ['its time', (path) => utimesSync(path, 1, 1)],
    ['its length', appendTo],
  ])('of which %s changes while it is read is refused, and not kept', async (_, change) => {
    const big = join(project, 'big.bin');
    writeFileSync(big, Buffer.alloc(8 << 20));
    // Times are kept whole here: some disks cut them, and set back it would be another.
    utimesSync(big, 7, 7);
    const copying = copyFile(big, join(project, 'copy.bin'), signal);
    // Once the copy is there under its temporary name, the original was looked at.
    while (readdirSync(project).length < 3) await new Promise(setImmediate);
    change(big);
    await expect(copying).rejects.toMatchObject({
      code: 'DATA_INVALID',
      message: expect.stringContaining('changed while it was read'),
      hint: expect.stringContaining('run this again'),
    });
    expect(readdirSync(project).sort()).toEqual(['big.bin', 'data']);
  });

  it('is left open by nobody', skipFor(noLinux), async () => {
    write('abc', 'abc');
    await copyFile(join(project, 'abc'), join(project, 'x/y'), signal);
    expect(openFilesIn(project)).toEqual([]);
  });

  it('has the hash of its bytes', async () => {
    const expected = { bytes: 3, sha256: 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad' };
    write('abc', 'abc');
    expect(await hashOf(join(project, 'abc'), signal)).toEqual(expected);
    expect(await copyFile(join(project, 'abc'), join(project, 'x/y'), signal, expected)).toEqual(expected);
    for (const wrong of [{ bytes: 4 }, { sha256: '0'.repeat(64) }]) {
      const other = { ...expected, ...wrong };
      await expect(copyFile(join(project, 'abc'), join(project, 'z'), signal, other)).rejects.toMatchObject({
        code: 'DATA_INVALID',
        issues: [
          {
            option: join(project, 'abc'),
            expected: `${other.bytes} bytes, sha256 ${other.sha256}`,
            received: `3 bytes, sha256 ${expected.sha256}`,
          },
        ],
        hint: expect.stringContaining('nothing was replaced'),
      });
    }
    expect(readdirSync(project).sort()).toEqual(['abc', 'data', 'x']);
  });

  it('that cannot be read or written says both paths, and leaves nothing', async () => {
    const [from, to] = [join(project, 'gone'), join(project, 'copy')];
    await expect(copyFile(from, to, signal)).rejects.toMatchObject({
      code: 'IO_FAILED',
      message: expect.stringContaining(`Cannot copy ${from} to ${to}: ENOENT`),
      hint: expect.any(String),
      cause: expect.any(Error),
    });
    await expect(hashOf(from, signal)).rejects.toMatchObject({ code: 'IO_FAILED' });
    expect(readdirSync(project)).toEqual(['data']);
    const there = join(project, 'data/raw/images/a.png');
    for (const path of [from, there]) await expect(hashOf(path, AbortSignal.abort('stop'))).rejects.toBe('stop');
  });

  it('is another where one of the two is missing or longer', async () => {
    write('a', 'abc');
    write('b', 'abcd');
    const same = (one: string, other: string) => sameFile(join(project, one), join(project, other), signal);
    expect(await same('a', 'a')).toMatchObject({ bytes: 3 });
    expect([await same('a', 'b'), await same('a', 'gone'), await same('gone', 'gone')]).toEqual([null, null, null]);
  });
});
