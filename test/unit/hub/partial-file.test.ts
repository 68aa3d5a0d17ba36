import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { hashOf, holds, PartialFile, sizeOf } from '../../../src/hub/partial-file.js';

const WHOLE = Buffer.from('0123456789');
const { signal } = new AbortController();
const sha1 = createHash('sha1').update('blob 10\0').update(WHOLE).digest('hex');
const SMALL = { path: 'a', bytes: 10, sha256: null, gitId: sha1 };
const LARGE = { ...SMALL, sha256: createHash('sha256').update(WHOLE).digest('hex'), gitId: 'a'.repeat(40) };

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 't2i-partial-'));
  path = join(folder, 'a.part');
});
afterEach(() => rmSync(folder, { recursive: true }));

describe.each([
  ['of git', SMALL],
  ['of LFS', LARGE],
])('a file %s', (_, file) => {
  it('is called by the hash of its content', () => {
    expect(hashOf(file)).toBe(file.sha256 ?? sha1);
  });

  it.each([
    ['what is announced', WHOLE, true],
    ['other bytes', Buffer.from('0123456780'), false],
    ['fewer bytes', WHOLE.subarray(1), false],
    ['more bytes', Buffer.concat([WHOLE, WHOLE]), false],
  ])('holds %s: %s', async (__, bytes, whether) => {
    writeFileSync(path, bytes);
    expect(await holds(path, file, signal)).toBe(whether);
  });

  it.each([0, 4, 10])('is put in place where %i bytes of it were there', async (there) => {
    if (there > 0) writeFileSync(path, WHOLE.subarray(0, there));
    const partial = await PartialFile.open(path, file, signal);
    expect(partial.bytes).toBe(there);
    for (const chunk of [WHOLE.subarray(there, 7), WHOLE.subarray(Math.max(there, 7))]) await partial.append(chunk);
    expect(await partial.finish(join(folder, 'a'))).toBe(true);
    await partial.close(true);
    expect(readFileSync(join(folder, 'a'))).toEqual(WHOLE);
    expect(existsSync(path)).toBe(false);
  });

  it('is not put in place where its start was another', async () => {
    writeFileSync(path, 'x123');
    const partial = await PartialFile.open(path, file, signal);
    await partial.append(WHOLE.subarray(4));
    expect(await partial.finish(join(folder, 'a'))).toBe(false);
    await partial.restart();
    expect(partial.bytes).toBe(0);
    await partial.append(WHOLE);
    expect(await partial.finish(join(folder, 'a'))).toBe(true);
    await partial.close(true);
    expect(readFileSync(join(folder, 'a'))).toEqual(WHOLE);
  });

  it('is not put in place before it is whole', async () => {
    const partial = await PartialFile.open(path, file, signal);
    await partial.append(WHOLE.subarray(0, 9));
    expect(await partial.finish(join(folder, 'a'))).toBe(false);
    await partial.close(false);
    expect([existsSync(path), existsSync(join(folder, 'a'))]).toEqual([false, false]);
  });
});

describe('a partial file', () => {
  it('that is longer than the whole is cut', async () => {
    writeFileSync(path, Buffer.concat([WHOLE, WHOLE]));
    const partial = await PartialFile.open(path, SMALL, signal);
    expect([partial.bytes, await sizeOf(path)]).toEqual([10, 10]);
    await partial.close(true);
    expect(await sizeOf(path)).toBe(10);
  });

  it("ends with the signal's reason while it is read", async () => {
    writeFileSync(path, WHOLE);
    await expect(PartialFile.open(path, SMALL, AbortSignal.abort(new Error('enough')))).rejects.toThrow('enough');
    await expect(holds(path, SMALL, AbortSignal.abort(new Error('enough')))).rejects.toThrow('enough');
  });

  it('says where it cannot be written, and what to do', async () => {
    const refused = { code: 'IO_FAILED', hint: expect.stringContaining('HF_HOME') };
    await expect(PartialFile.open(join(folder, 'none/a'), SMALL, signal)).rejects.toMatchObject({
      ...refused,
      message: expect.stringContaining('none/a'),
    });
    const partial = await PartialFile.open(path, SMALL, signal);
    await partial.append(WHOLE);
    mkdirSync(join(folder, 'a/b'), { recursive: true });
    await expect(partial.finish(join(folder, 'a'))).rejects.toMatchObject(refused);
    await partial.close(true);
    await expect(partial.append(WHOLE)).rejects.toMatchObject({ ...refused, message: expect.stringContaining(path) });
  });

  it('that cannot be read says so', async () => {
    mkdirSync(path);
    await expect(holds(path, { ...SMALL, bytes: (await sizeOf(path)) as number }, signal)).rejects.toMatchObject({
      code: 'IO_FAILED',
      message: expect.stringContaining(path),
    });
    expect(await sizeOf(join(folder, 'none'))).toBeNull();
  });
});
