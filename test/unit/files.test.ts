import { execFileSync } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { T2IError } from '../../src/errors.js';
import { absolutePath, cannotRead, makeFolder, prepareFile, writeFileAtomic, writeJsonFile } from '../../src/files.js';
import { noLinux, noPosix, skipFor } from '../support/skip-for.js';

const bytes = Buffer.from('an image');
let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 't2i-files-'));
  await writeFile(join(dir, 'file'), 'in the way');
  await symlink('loop', join(dir, 'loop'));
});
afterEach(() => rm(dir, { recursive: true }));

/** Paths that no system takes, whoever asks. */
const REFUSED: [what: string, path: (dir: string) => string][] = [
  ['below a file', (dir) => join(dir, 'file', 'a.png')],
  ['that is too long', (dir) => join(dir, `${'x'.repeat(300)}.png`)],
  ['below a folder that is too long', (dir) => join(dir, 'x'.repeat(300), 'a.png')],
  ['through a loop of links', (dir) => join(dir, 'loop', 'a.png')],
  ['that is a loop of links', (dir) => join(dir, 'loop')],
  ['that is a folder', (dir) => dir],
];

describe('a path that the system refuses', () => {
  it.each(REFUSED)('%s is IO_FAILED by its name, before and when it is written', async (_, path) => {
    // The folder that is to blame, or the file itself.
    const expected = { code: 'IO_FAILED', message: expect.stringContaining(dir), hint: expect.any(String) };
    await expect(prepareFile(path(dir))).rejects.toMatchObject(expected);
    await expect(writeFileAtomic(path(dir), bytes)).rejects.toMatchObject({ code: 'IO_FAILED' });
    expect((await readdir(dir)).sort()).toEqual(['file', 'loop']);
  });

  it('with NUL is OPTION_INVALID', async () => {
    for (const attempt of [
      () => prepareFile('a\0.png'),
      () => writeFileAtomic('a\0.png', bytes),
      () => makeFolder('a\0'),
    ]) {
      const issues = [{ option: 'path', expected: 'a path without NUL', received: expect.stringContaining('\\u0000') }];
      await expect(attempt()).rejects.toMatchObject({ code: 'OPTION_INVALID', issues });
    }
  });

  it('below /proc ends with an error, too', skipFor(noLinux), async () => {
    await expect(makeFolder('/proc/t2i/a/b')).rejects.toMatchObject({
      code: 'IO_FAILED',
      message: expect.stringMatching(/^Cannot make the folder \/proc\/t2i, for \/proc\/t2i\/a\/b: /),
    });
  });
});

it('writes a file whose name is as long as a name may be', async () => {
  for (const name of ['x'.repeat(255), '界'.repeat(85)]) {
    await prepareFile(join(dir, name));
    await writeFileAtomic(join(dir, name), bytes);
    expect(await readFile(join(dir, name))).toEqual(bytes);
  }
});

it('makes the folders that lack, once, whoever else makes them too', async () => {
  const path = join(dir, 'a/b/c/image.png');
  await Promise.all([prepareFile(path), prepareFile(path), makeFolder(join(dir, 'a/b'))]);
  expect(await readdir(join(dir, 'a/b/c'))).toEqual([]);
  await writeFileAtomic(path, bytes);
  expect(await readFile(path)).toEqual(bytes);
  await makeFolder(join(dir, 'private'), 0o700);
  expect((await stat(join(dir, 'private'))).mode & 0o777).toBe(0o700);
});

it('writes into a pipe, and leaves it one', skipFor(noPosix), async () => {
  const pipe = join(dir, 'pipe');
  execFileSync('mkfifo', [pipe]);
  await prepareFile(pipe);
  const [read] = await Promise.all([readFile(pipe), writeFileAtomic(pipe, bytes)]);
  expect(read).toEqual(bytes);
  expect((await stat(pipe)).isFIFO()).toBe(true);
});

it('writes JSON that people can read, with a line end', async () => {
  await writeJsonFile(join(dir, 'a.json'), { a: [1] });
  expect(await readFile(join(dir, 'a.json'), 'utf8')).toBe('{\n "a": [\n  1\n ]\n}\n');
});

it('a folder that cannot be made is named alone where it is the one that was asked for', async () => {
  await expect(makeFolder(join(dir, 'x'.repeat(300)))).rejects.toMatchObject({
    message: expect.not.stringContaining(', for '),
  });
});

describe('a relative path', () => {
  afterEach(() => void vi.restoreAllMocks());

  it('is one of the working folder, and says so where that was deleted', () => {
    expect(absolutePath('x')).toBe(resolve('x'));
    const cause = new Error('ENOENT: uv_cwd');
    vi.spyOn(process, 'cwd').mockImplementation(() => {
      throw cause;
    });
    const expected = { code: 'IO_FAILED', message: expect.stringContaining('x'), hint: expect.any(String), cause };
    expect(() => absolutePath('x')).toThrow(expect.objectContaining(expected));
  });
});

it('what cannot be read says so once, with what the system said', () => {
  const cause = new Error('EACCES');
  const error = cannotRead('/x', cause);
  expect(error).toMatchObject({
    code: 'IO_FAILED',
    message: 'Cannot read /x: EACCES',
    hint: expect.any(String),
    cause,
  });
  expect(cannotRead('/y', error)).toBe(error);
  expect(T2IError.is(error)).toBe(true);
});
