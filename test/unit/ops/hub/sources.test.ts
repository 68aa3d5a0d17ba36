import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { recordOf, refuseSecrets } from '../../../../src/ops/hub/sources.js';
import { write } from './tiny-promoted.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 't2i-sources-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const at = (name: string) => join(folder, name);
const bytes = (text: string) => Uint8Array.from(Buffer.from(text));
const TOKEN = 'hf_short';
const OTHER = 'hf_abcdefghijklmnopqrst';
/** What is larger is weights, and not searched. */
const LARGEST_TEXT = 5 * 1024 * 1024;

describe('the record of a file', () => {
  const { signal } = new AbortController();

  it('is what git and sha256sum say, of a file and of bytes', async () => {
    const record = {
      bytes: 6,
      sha256: '5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03',
      gitId: 'ce013625030ba8dba906f756967f9e9ca394464a',
    };
    write(folder, { 'hello.txt': 'hello\n' });
    expect(await recordOf(at('hello.txt'), signal)).toEqual(record);
    expect(await recordOf(bytes('hello\n'), signal)).toEqual(record);
  });

  it.each([
    ['is missing', 'missing'],
    ['is a folder', '.'],
  ])('of one that %s is an error that names it', async (_, name) => {
    await expect(recordOf(at(name), signal)).rejects.toMatchObject({
      code: 'IO_FAILED',
      message: expect.stringContaining(`Cannot read ${at(name)}`),
    });
  });

  it('is not made after an abort', async () => {
    write(folder, { 'hello.txt': 'hello\n' });
    const reason = new Error('stop');
    await expect(recordOf(at('hello.txt'), AbortSignal.abort(reason))).rejects.toBe(reason);
  });
});

describe('a token in what is to be published', () => {
  const refused = (files: Readonly<Record<string, string | Buffer>>) => {
    write(folder, files);
    return refuseSecrets(new Map(Object.keys(files).map((name) => [name, at(name)])), TOKEN);
  };

  it('is refused with the names of all files that hold one, and what to do', async () => {
    const files = { 'own.py': `token = '${TOKEN}'`, 'fine.md': 'hello', 'other.env': `HF_TOKEN=${OTHER}` };
    const error = await refused(files).catch((thrown) => thrown);
    expect(error).toMatchObject({
      code: 'DATA_INVALID',
      message: 'A token of the Hub is in own.py, other.env; nothing was published',
      hint: expect.stringContaining('revoke it'),
    });
    expect(JSON.stringify(error) + error.stack).not.toContain(OTHER);
  });

  it.each(['hf_ and no more', 'hf_toShort', 'the module xhf_abcdefghijklmnopqrst', 'hf_with_underscores_in_between'])(
    'is none in %j',
    async (text) => {
      expect(await refused({ 'README.md': text })).toBe(undefined);
    },
  );

  it('is found in bytes as in a file', async () => {
    await expect(refuseSecrets(new Map([['t2i.json', bytes(OTHER)]]), TOKEN)).rejects.toMatchObject({
      message: expect.stringContaining('t2i.json'),
    });
  });

  it('is looked for in files of up to 5 MiB', async () => {
    const text = Buffer.alloc(LARGEST_TEXT, ' ');
    text.write(OTHER, LARGEST_TEXT - OTHER.length);
    await expect(refused({ text })).rejects.toMatchObject({ code: 'DATA_INVALID' });
    expect(await refused({ weights: Buffer.concat([text, Buffer.from(' ')]) })).toBe(undefined);
  });

  it.each([
    ['is missing', 'missing'],
    ['is a folder', '.'],
  ])('is not ruled out by a file that %s', async (_, name) => {
    await expect(refuseSecrets(new Map([['README.md', at(name)]]), TOKEN)).rejects.toMatchObject({
      code: 'IO_FAILED',
      message: expect.stringContaining(at(name)),
    });
  });
});
