import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import fs from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { Folder, type FolderOptions } from '../../../src/server/images/folder.js';

const TTL = 60_000;
const NOW = Date.UTC(2026, 0, 1);
const name = (letter: string, format = 'png') => `${letter.repeat(22)}.${format}`;
const KIBIBYTE = new Uint8Array(1024);

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 't2i-folder-'));
  vi.useFakeTimers({ toFake: ['Date'], now: NOW });
});
afterEach(() => {
  vi.useRealTimers();
  rmSync(root, { recursive: true });
});

const open = (options: Partial<FolderOptions> = {}) => Folder.open({ dir: root, ttl: TTL, ...options });
/** Puts a file there that is so many milliseconds old. */
function put(file: string, age: number, bytes: Uint8Array | string = KIBIBYTE): void {
  writeFileSync(join(root, file), bytes);
  utimesSync(join(root, file), (NOW - age) / 1000, (NOW - age) / 1000);
}
const cannotBeUsed = { code: 'IO_FAILED', hint: expect.any(String) };
const files = () => readdirSync(root).sort();

describe('images in a folder', () => {
  it('have it for themselves, however deep it is', async () => {
    const dir = join(root, 'served', 'images');
    const folder = await open({ dir });
    expect(statSync(dir).mode & 0o777).toBe(0o700);
    await folder.write(name('a'), Buffer.from('image'));
    expect(Buffer.from((await folder.read(name('a'))) as Uint8Array).toString()).toBe('image');
    expect(await folder.read(name('b'))).toBeNull();
    folder.close();
  });

  it('are answered to the last moment of their time', async () => {
    const folder = await open();
    put(name('a'), TTL);
    put(name('b'), TTL + 1);
    expect(await folder.read(name('a'))).toHaveLength(1024);
    expect(await folder.read(name('b'))).toBeNull();
  });

  it.each([
    ['the server starts', () => open()],
    [
      'one is added',
      async () => {
        const folder = await open();
        put(name('a'), TTL + 1);
        await folder.write(name('c'), KIBIBYTE);
        rmSync(join(root, name('c')));
      },
    ],
  ])('are removed after their time when %s, and nothing else is', async (_, happens) => {
    put(name('a'), TTL + 1);
    put(name('b'), TTL);
    put('notes.txt', 2 * TTL);
    put(`${'x'.repeat(21)}.png`, 2 * TTL);
    await happens();
    expect(files()).toEqual([name('b'), 'notes.txt', `${'x'.repeat(21)}.png`].sort());
  });

  it('go with the oldest first, and no more of them than make room for a new one', async () => {
    const folder = await open({ maxBytes: 4096 });
    put(name('c'), 4000);
    put(name('a'), 3000, new Uint8Array(512));
    put(name('d'), 2000);
    put(name('b'), 1000);
    await folder.write(name('e'), new Uint8Array(512));
    expect(files()).toEqual(['a', 'b', 'c', 'd', 'e'].map((letter) => name(letter)));
    await folder.write(name('f'), new Uint8Array(1));
    expect(files()).toEqual(['a', 'b', 'd', 'e', 'f'].map((letter) => name(letter)));
  });

  it('may take 1 GiB together where nothing else is said', async () => {
    const folder = await open();
    put(name('a'), 1000, '');
    truncateSync(join(root, name('a')), 2 ** 30 - 1);
    utimesSync(join(root, name('a')), NOW / 1000 - 1, NOW / 1000 - 1);
    await folder.write(name('b'), new Uint8Array(1));
    expect(files()).toEqual([name('a'), name('b')]);
    await folder.write(name('c'), new Uint8Array(1));
    expect(files()).toEqual([name('b'), name('c')]);
  });

  it('are swept though another server does so at the same time', async () => {
    const letters = [...'abcdefghijklmnopqrstuvwxyz'];
    for (const letter of letters) put(name(letter), TTL + 1);
    await Promise.all([open(), open(), open()]);
    expect(files()).toEqual([]);
  });

  it('are swept though one of them leads nowhere', async () => {
    symlinkSync(join(root, 'gone'), join(root, name('a')));
    put(name('b'), 0);
    const folder = await open({ maxBytes: 2048 });
    await folder.write(name('c'), KIBIBYTE);
    expect(files()).toEqual([name('b'), name('c')]);
  });

  it.each([
    ['a file', () => join(root, 'file')],
    ['below a file', () => join(root, 'file', 'images')],
  ])('say so at the start where their folder is %s', async (_, dir) => {
    put('file', 0);
    await expect(open({ dir: dir() })).rejects.toMatchObject(cannotBeUsed);
    expect(files()).toEqual(['file']);
  });

  // Node's own recursive mkdir never ends below /proc.
  it.runIf(process.platform === 'linux').each(['/proc/t2i/images', '/proc'])(
    'say so at the start where the system lets nobody write: %s',
    async (dir) => {
      await expect(open({ dir })).rejects.toMatchObject(cannotBeUsed);
    },
  );

  it('are kept on where the folder was removed meanwhile', async () => {
    const dir = join(root, 'images');
    const folder = await open({ dir });
    rmSync(dir, { recursive: true });
    expect(await folder.read(name('a'))).toBeNull();
    await folder.write(name('a'), KIBIBYTE);
    expect(await folder.read(name('a'))).toHaveLength(1024);
  });

  it('are gone where another server removes them while one is read', async () => {
    const folder = await open();
    put(name('a'), 0);
    const { stat } = fs;
    vi.spyOn(fs, 'stat').mockImplementation(async (path) => {
      const found = await stat(path);
      rmSync(path);
      return found;
    });
    syncBuiltinESMExports();
    onTestFinished(() => {
      vi.restoreAllMocks();
      syncBuiltinESMExports();
    });
    expect(await folder.read(name('a'))).toBeNull();
  });

  it('fail with the path where they cannot be read or removed', async () => {
    const folder = await open({ maxBytes: 1 });
    mkdirSync(join(root, name('a')));
    utimesSync(join(root, name('a')), NOW / 1000, NOW / 1000);
    const failed = { code: 'IO_FAILED', message: expect.stringContaining(root) };
    await expect(folder.read(name('a'))).rejects.toMatchObject(failed);
    await expect(folder.write(name('b'), KIBIBYTE)).rejects.toMatchObject(failed);
  });
});
