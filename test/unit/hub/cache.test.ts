import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { HubCache } from '../../../src/hub/cache.js';

const [ONE, TWO] = ['a'.repeat(40), 'b'.repeat(40)];

let cache: HubCache;
beforeEach(() => {
  cache = new HubCache(mkdtempSync(join(tmpdir(), 't2i-cache-')));
});
afterEach(() => rmSync(cache.dir, { recursive: true }));

const write = (path: string, text: string) => {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
};
/** A model with files of these contents, each under its own text as the hash. */
async function add(repo: string, commit: string, files: Record<string, string>): Promise<void> {
  for (const [path, text] of Object.entries(files)) {
    write(cache.blobOf(repo, text), text);
    await cache.link(repo, commit, path, text);
  }
}

describe('the cache of the Hub', () => {
  it('lists commits by name with their refs, files and bytes, and leaves out what it does not know', async () => {
    await add('b/model', ONE, { 'unet/a': '12345', b: '123' });
    await add('a/model', TWO, { 'unet/a': '12' });
    await add('a/model', ONE, { 'unet/a': '12', 'unet/b': '1' });
    await cache.keepRef('a/model', 'main', ONE);
    await cache.keepRef('a/model', 'refs/pr/1', ONE);
    await cache.keepRef('a/model', 'v1', TWO);
    for (const path of [
      'models--nothing/x',
      `models--nothing/snapshots/${ONE}/x`,
      'models--a--model/refs/.main.lock',
      'datasets--a--b/snapshots/x/y',
      'version.txt',
      'models--a--model/snapshots/part/x',
    ])
      write(join(cache.dir, path), 'x');
    const dir = (repo: string, commit: string) => cache.snapshotOf(repo, commit);
    expect(await cache.list()).toEqual([
      { repo: 'a/model', commit: ONE, refs: ['main', 'refs/pr/1'], dir: dir('a/model', ONE), files: 2, bytes: 3 },
      { repo: 'a/model', commit: TWO, refs: ['v1'], dir: dir('a/model', TWO), files: 1, bytes: 2 },
      { repo: 'b/model', commit: ONE, refs: [], dir: dir('b/model', ONE), files: 2, bytes: 8 },
    ]);
  });

  it('lists models, commits and refs in the order of their names', async () => {
    const names = [...'hbgafcde'];
    const commits = names.map((name) => (name < 'g' ? name : ({ g: '1', h: '0' }[name] ?? '')).repeat(40));
    for (const name of names) await add(`x/${name}`, ONE, { a: '1' });
    for (const commit of commits) await add('y/model', commit, { a: '1' });
    for (const name of names) await cache.keepRef('y/model', name, ONE);
    const found = await cache.list();
    const sorted = (one: readonly string[]) => [...one].sort();
    expect(found.map(({ repo }) => repo)).toEqual([
      ...sorted(names).map((name) => `x/${name}`),
      ...names.map(() => 'y/model'),
    ]);
    const ofModel = found.filter(({ repo }) => repo === 'y/model');
    expect(ofModel.map(({ commit }) => commit)).toEqual(sorted(commits));
    expect(ofModel.find(({ commit }) => commit === ONE)?.refs).toEqual(sorted(names));
  });

  it('leaves nothing beside a name that it cannot put in place', async () => {
    const path = join(cache.snapshotOf('a/model', ONE), 'unet');
    write(join(path, 'in the way'), 'x');
    await expect(add('a/model', ONE, { unet: '1' })).rejects.toThrow();
    expect(await readdir(dirname(path))).toEqual(['unet']);
  });

  it('is empty where its folder is not there', async () => {
    const missing = new HubCache(join(cache.dir, 'none'));
    expect(await missing.list()).toEqual([]);
    expect(await missing.remove('a/b')).toBe(0);
    await missing.ownBlobs('a/b');
  });

  it('counts a link that leads nowhere as a file without bytes', async () => {
    await add('a/model', ONE, { a: '12' });
    symlinkSync('nowhere', join(cache.snapshotOf('a/model', ONE), 'b'));
    expect(await cache.list()).toMatchObject([{ files: 2, bytes: 2 }]);
  });

  it('knows a commit by itself, and a ref by what it says where that is a commit', async () => {
    await cache.keepRef('a/model', 'main', ONE);
    write(join(cache.folderOf('a/model'), 'refs/old'), `${TWO}\n`);
    write(join(cache.folderOf('a/model'), 'refs/broken'), 'what');
    expect(await cache.commitOf('a/model', TWO)).toBe(TWO);
    expect(await cache.commitOf('a/model', 'main')).toBe(ONE);
    expect(await cache.commitOf('a/model', 'old')).toBe(TWO);
    expect(await cache.commitOf('a/model', 'broken')).toBeNull();
    expect(await cache.commitOf('a/model', 'none')).toBeNull();
  });

  it('notes no ref for a commit, and writes none anew that says the same', async () => {
    await cache.keepRef('a/model', ONE, ONE);
    expect(await readdir(cache.dir)).toEqual([]);
    await cache.keepRef('a/model', 'main', ONE);
    const path = join(cache.folderOf('a/model'), 'refs/main');
    const { ino } = lstatSync(path);
    await cache.keepRef('a/model', 'main', ONE);
    expect(lstatSync(path).ino).toBe(ino);
    await cache.keepRef('a/model', 'main', TWO);
    expect(readFileSync(path, 'utf8')).toBe(TWO);
  });

  it('links a name to its blob, and again where it led to another', async () => {
    await add('a/model', ONE, { 'unet/a': '1' });
    const path = join(cache.snapshotOf('a/model', ONE), 'unet/a');
    const { ino } = lstatSync(path);
    await cache.link('a/model', ONE, 'unet/a', '1');
    expect(lstatSync(path).ino).toBe(ino);
    await add('a/model', ONE, { 'unet/a': '22' });
    expect([readlinkSync(path), readFileSync(path, 'utf8')]).toEqual(['../../../blobs/22', '22']);
    expect(await readdir(dirname(path))).toEqual(['a']);
  });

  it('removes a model and its locks, says what that frees, and leaves the others', async () => {
    await add('a/model', ONE, { a: '12', b: '345' });
    await add('a/other', ONE, { a: '12' });
    for (const repo of ['a/model', 'a/other']) write(cache.lockOf(repo, 'x'), '');
    expect(await cache.remove('a/model')).toBe(5);
    expect(await readdir(cache.dir)).toEqual(['.locks', 'models--a--other']);
    expect(await readdir(join(cache.dir, '.locks'))).toEqual(['models--a--other']);
    expect(await cache.list()).toMatchObject([{ repo: 'a/other', files: 1 }]);
  });

  it('gives a model files of its own for those of the store alone', async () => {
    const blobs = join(cache.folderOf('a/model'), 'blobs');
    write(join(cache.dir, 'blobs/ab/1'), 'stored');
    write(join(cache.dir, 'blobs/2'), 'beside it');
    write(join(blobs, '3'), 'own');
    symlinkSync('../../blobs/ab/1', join(blobs, '1'));
    symlinkSync('../../blobs/2', join(blobs, '2'));
    symlinkSync('nowhere', join(blobs, '4'));
    await cache.ownBlobs('a/model');
    const links = (await readdir(blobs)).filter((name) => lstatSync(join(blobs, name)).isSymbolicLink());
    expect([links, await readdir(blobs)]).toEqual([
      ['2', '4'],
      ['1', '2', '3', '4'],
    ]);
    expect(lstatSync(join(blobs, '1')).ino).toBe(lstatSync(join(cache.dir, 'blobs/ab/1')).ino);
  });
});
