import { mkdirSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ModelFiles, readJson, readText } from '../../../src/model/model-files.js';
import { scratch } from './model-dir.js';

const FILE = { expected: 'a file', received: 'none (missing, or a link to nothing)' };
const invalid = (option: string, expected: string, received: string) => ({
  code: 'MODEL_INVALID',
  issues: [{ option, expected, received }],
});
/** A directory with these files, and what is known of it. */
async function opened(contents: Readonly<Record<string, string>> = {}, dir: string = scratch()) {
  for (const [path, content] of Object.entries(contents)) {
    mkdirSync(join(dir, path, '..'), { recursive: true });
    writeFileSync(join(dir, path), content);
  }
  return { dir, files: await ModelFiles.open(dir) };
}

describe('a path in a model directory', () => {
  it('is that of a file, which is noted once it is checked', async () => {
    const { dir, files } = await opened({ 'a/b': 'text', '..c': '', '...': '' });
    expect(await files.check('a/b')).toEqual({ path: join(dir, 'a/b'), size: 4, linked: false, names: 1 });
    for (const path of ['..c', '...', 'a/../a/b']) await files.check(path);
    expect([...files.used]).toEqual(['a/b', '..c', '...']);
    expect([await files.has('a'), await files.has('a/b'), await files.has('b')]).toEqual([true, true, false]);
  });

  it.each(['..', '../x', 'a/../..', 'a/../../x', '/etc/passwd', 'a\0b'])('does not leave it: %j', async (path) => {
    const { files } = await opened({ 'a/b': '' });
    await expect(files.check(path)).rejects.toMatchObject(
      invalid(path, 'a path inside the model directory', 'one that leaves it'),
    );
    expect(files.used.size).toBe(0);
  });

  it('leads to a file, no folder and nothing that is missing', async () => {
    const { dir, files } = await opened({ 'a/b': '' });
    symlinkSync(join(dir, 'gone'), join(dir, 'dangling'));
    for (const path of ['gone', 'dangling']) {
      await expect(files.check(path)).rejects.toMatchObject(invalid(path, FILE.expected, FILE.received));
    }
    await expect(files.check('a')).rejects.toMatchObject(invalid('a', 'a regular file', 'a folder or a device'));
    expect(files.used.size).toBe(0);
  });
});

describe('a link in a model directory', () => {
  /** Whether a link from `from` to `to` below the same folder may be followed. */
  async function followed(from: string, to: string): Promise<boolean> {
    const root = scratch();
    const [link, target] = [join(root, from, 'link'), join(root, to)];
    for (const path of [link, target]) mkdirSync(join(path, '..'), { recursive: true });
    writeFileSync(target, '');
    symlinkSync(target, link);
    const files = await ModelFiles.open(join(root, from));
    return files.check('link').then(
      ({ linked }) => linked,
      (error) => {
        expect(error).toMatchObject(
          invalid('link', 'a file inside the model directory', 'a symbolic link that leaves it'),
        );
        return false;
      },
    );
  }

  it('is followed from a snapshot into the blobs of its repository alone', async () => {
    expect(await followed('repo/snapshots/abc', 'repo/blobs/x')).toBe(true);
    expect(await followed('repo/snapshots/abc/part', 'repo/blobs/x')).toBe(true);
    expect(await followed('snapshots/repo/snapshots/abc', 'snapshots/repo/blobs/x')).toBe(true);
    expect(await followed('repo/snapshots/abc', 'other/blobs/x')).toBe(false);
    expect(await followed('repo/snapshots/abc', 'repo/blobs-of-another/x')).toBe(false);
    expect(await followed('snapshots/repo/snapshots/abc', 'blobs/x')).toBe(false);
  });

  it('is not followed from what is no snapshot', async () => {
    expect(await followed('repo', 'blobs/x')).toBe(false);
    expect(await followed('repo/snapshots', 'repo/blobs/x')).toBe(false);
    expect(await followed('repo/model', 'repo/blobs/x')).toBe(false);
  });
});

describe('a Git LFS pointer', () => {
  const pointer = (rest: string) => `version https://git-lfs.github.com/spec/v1\n${rest}`;
  const received = async (content: string) => {
    const { files } = await opened({ file: content });
    return files.check('file').then(
      () => null,
      ({ issues }) => issues[0].received,
    );
  };

  it('is told with its size where it has one', async () => {
    expect(await received(pointer('oid sha256:ab\nsize 1234567890123456\n'))).toBe(
      'a Git LFS pointer to it (size 1234567890123456)',
    );
    for (const rest of ['oid sha256:ab\n', 'size 12345678901234567\n', 'size x1\n', 'oid size 7\n']) {
      expect(await received(pointer(rest))).toBe('a Git LFS pointer to it (size unknown)');
    }
  });

  it('has 1024 bytes at most, and begins the file', async () => {
    const filled = (length: number) => pointer('size 7\n').padEnd(length, '\n');
    expect(await received(filled(1024))).toBe('a Git LFS pointer to it (size 7)');
    expect(await received(filled(1025))).toBeNull();
    expect(await received(` ${pointer('size 7\n')}`)).toBeNull();
  });
});

describe('the files of a model directory', () => {
  it('are listed by their endings, in the folder and those in it, sorted', async () => {
    const { dir, files } = await opened({
      'b.onnx': '',
      'a/x.onnx': '',
      'a/y.bin': '',
      'a/z.txt': '',
      'a/deep/w.onnx': '',
    });
    mkdirSync(join(dir, 'folder.onnx'));
    mkdirSync(join(dir, 'a/inner.onnx'));
    expect(await files.list(['.onnx', '.bin'])).toEqual(['a/x.onnx', 'a/y.bin', 'b.onnx']);
    expect(await files.list([])).toEqual([]);
  });

  it('are listed of a hundred folders', async () => {
    const { files } = await opened(Object.fromEntries(Array.from({ length: 101 }, (_, i) => [`${i}/x.onnx`, ''])));
    expect(await files.list(['.onnx'])).toHaveLength(100);
  });
});

describe('a text of a model', () => {
  it('has 64 MiB at most', async () => {
    const path = join(scratch(), 'text');
    writeFileSync(path, '');
    truncateSync(path, 2 ** 26);
    expect((await readText(path)).length).toBe(2 ** 26);
    truncateSync(path, 2 ** 26 + 1);
    await expect(readText(path, 'text')).rejects.toMatchObject(
      invalid('text', 'at most 67108864 bytes', 'a larger file'),
    );
  });

  it('that cannot be read is named', async () => {
    const { dir } = await opened();
    await expect(readText(join(dir, 'gone'), 'gone')).rejects.toMatchObject({
      issues: [{ option: 'gone', expected: 'a file that can be read', received: expect.stringMatching(/^ENOENT/) }],
    });
    await expect(readJson(join(dir, 'gone'))).rejects.toMatchObject({ issues: [{ option: join(dir, 'gone') }] });
  });

  it.each([
    ['{"a": -Infinity, "b": Infinity, "c": NaN}', { a: '-Infinity', b: 'Infinity', c: 'NaN' }],
    ['{"a\\"NaN": "Infinity \\\\", "b": NaN}', { 'a"NaN': 'Infinity \\', b: 'NaN' }],
    ['["", NaN]', ['', 'NaN']],
  ])('may hold what Python writes: %s', async (content, json) => {
    const { dir } = await opened({ file: content });
    expect(await readJson(join(dir, 'file'))).toEqual(json);
  });

  it('that is no JSON is told by what JSON says of it as it was written', async () => {
    const { dir } = await opened({ file: '{"a": NaN, b}' });
    await expect(readJson(join(dir, 'file'), 'file')).rejects.toMatchObject({
      issues: [
        { option: 'file', expected: 'JSON', received: expect.stringMatching(/N.*is not valid JSON|position 6/) },
      ],
    });
  });
});

it('a directory at a path that no system takes is told as one that is not there, a file as a file', async () => {
  const { dir } = await opened({ file: '' });
  for (const path of [join(dir, 'gone'), join(dir, 'a\0b')]) {
    await expect(ModelFiles.open(path)).rejects.toMatchObject({
      code: 'MODEL_NOT_FOUND',
      message: `No model directory at ${JSON.stringify(path)}.`,
      cause: expect.any(Error),
    });
  }
  await expect(ModelFiles.open(join(dir, 'file'))).rejects.toMatchObject({
    code: 'MODEL_NOT_FOUND',
    message: expect.stringMatching(/is a file; a model is a directory/),
  });
});
