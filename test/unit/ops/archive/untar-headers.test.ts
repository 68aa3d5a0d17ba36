import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { untar } from '../../../../src/ops/archive/untar.js';
import { openFilesIn } from '../../../support/open-files.js';
import { noLinux, skipFor } from '../../../support/skip-for.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 't2i-headers-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const LIMITS = { files: 10, bytes: 10_000 };

/** The fields of a header by where they begin; those that are not given are as in an ordinary file. */
function header(fields: Readonly<Record<number, string | Buffer>>, checksum?: string): Buffer {
  const block = Buffer.alloc(512);
  for (const [at, value] of Object.entries({ 124: '00000000000', 156: '0', ...fields }))
    block.set(Buffer.from(value), Number(at));
  block.fill(' ', 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(checksum ?? `${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}
const [NAME, SIZE, TYPE, MAGIC, PREFIX] = [0, 124, 156, 257, 345];
const octal = (bytes: number) => bytes.toString(8).padStart(11, '0');
const padded = (text: string | Buffer) => Buffer.concat([Buffer.from(text), Buffer.alloc(-text.length & 511)]);
const file = (name: string, text = '', fields = {}) =>
  Buffer.concat([header({ [NAME]: name, [SIZE]: octal(text.length), ...fields }), padded(text)]);
const extension = (type: string, text: string) => file('extension', text, { [TYPE]: type });
const record = (text: string) => {
  const rest = ` ${text}\n`;
  const length = [2, 3].find((digits) => String(rest.length + digits).length === digits) ?? 1;
  return `${rest.length + length}${rest}`;
};
const end = Buffer.alloc(1024);

const unpack = (parts: readonly Buffer[], limits = LIMITS) =>
  untar(
    (async function* () {
      yield* parts;
    })(),
    join(folder, 'out'),
    'x.tar',
    limits,
  );
const unpacked = async (...parts: readonly Buffer[]) => {
  const files = await unpack(parts);
  return Object.fromEntries(Object.keys(files).map((name) => [name, readFileSync(join(folder, 'out', name), 'utf8')]));
};
const received = (what: string) =>
  expect.objectContaining({
    code: 'DOWNLOAD_INVALID',
    message: `x.tar: expected a tar of regular files, received ${what}`,
    hint: expect.stringContaining('Nothing of it was kept'),
  });

describe('a header', () => {
  it('fills its fields to the last byte, or ends them with spaces', async () => {
    const [name, prefix] = ['n'.repeat(100), `${'p'.repeat(99)}/${'q'.repeat(55)}`];
    expect(
      await unpacked(
        file(name, 'abc', { [SIZE]: '000000000003' }),
        file('b ', 'de', { [SIZE]: '         2  ' }),
        file('c', '', { [MAGIC]: 'ustar', [PREFIX]: prefix }),
        file('d', '', { [MAGIC]: 'other', [PREFIX]: prefix }),
        end,
      ),
    ).toEqual({ [name]: 'abc', b: 'de', [`${prefix}/c`]: '', d: '' });
  });

  it('may have no size, or one in binary', async () => {
    const binary = Buffer.from('800000000000000000000005', 'hex');
    expect(await unpacked(file('a', '', { [SIZE]: '' }), file('b', 'abcde', { [SIZE]: binary }), file('c'))).toEqual({
      a: '',
      b: 'abcde',
      c: '',
    });
  });

  it('may be of a regular file as before there were others', async () => {
    expect(await unpacked(file('a', 'abc', { [TYPE]: '\0' }), end)).toEqual({ a: 'abc' });
  });

  it('may begin a path with the folder that the archive is of, and may be of a folder', async () => {
    const parts = [file('./', '', { [TYPE]: '5' }), file('././a', 'abc'), file('b/...', 'de')];
    expect(await unpacked(...parts, end)).toEqual({ a: 'abc', 'b/...': 'de' });
  });

  it.each<[string, Buffer]>([
    ['in letters', file('a', '', { [SIZE]: 'many' })],
    ['below nothing', file('a', '', { [SIZE]: '-0000000001' })],
    ['beyond whole numbers', file('a', '', { [SIZE]: Buffer.from('800000000020000000000000', 'hex') })],
  ])('with a size %s is refused', async (_, part) => {
    await expect(unpack([part, end])).rejects.toEqual(received('a size that is none'));
  });

  it.each(['1', '2', '3', '4', '6', '7'])('of type %s is refused', async (type) => {
    const part = file('n'.repeat(100), '', { [TYPE]: type, [MAGIC]: 'ustar', [PREFIX]: 'dir' });
    const shown = JSON.stringify(`dir/${'n'.repeat(96)}`);
    await expect(unpack([part, end])).rejects.toEqual(received(`${shown}, which is no regular file`));
  });

  it('whose checksum is none is refused', async () => {
    for (const checksum of ['', 'none', '\xff'])
      await expect(unpack([header({ [NAME]: 'a' }, checksum), end])).rejects.toEqual(
        received('a header whose checksum is wrong'),
      );
  });
});

describe('an archive', () => {
  it('ends with a block of zeros, whatever stands behind, or with its bytes', async () => {
    expect(await unpacked(file('a', 'abc'), Buffer.alloc(512), Buffer.from('anything'))).toEqual({ a: 'abc' });
    expect(await unpacked()).toEqual({});
    const parts = [Buffer.alloc(0), file('b', 'abc').subarray(0, 512), Buffer.alloc(0), padded('abc')];
    expect(await unpacked(...parts)).toEqual({ b: 'abc' });
  });

  it('that ends within a header, a file or its padding is refused', async () => {
    for (const bytes of [1, 511, 513, 515, 1023])
      await expect(unpack([file(`f${bytes}`, 'abc').subarray(0, bytes)])).rejects.toEqual(
        received('an archive that ends too soon'),
      );
  });

  it('may have as many files and bytes as is allowed', async () => {
    const parts = [file('a', 'abc'), file('b', 'de')];
    expect(Object.keys(await unpack(parts, { files: 2, bytes: 5 }))).toEqual(['a', 'b']);
    rmSync(join(folder, 'out'), { recursive: true });
    for (const limits of [
      { files: 1, bytes: 5 },
      { files: 2, bytes: 4 },
    ]) {
      await expect(unpack(parts, limits)).rejects.toEqual(
        received(`more than ${limits.files} files or ${limits.bytes} bytes`),
      );
      expect(readdirSync(join(folder, 'out'))).toEqual(['a']);
      rmSync(join(folder, 'out'), { recursive: true });
    }
  });

  it('leaves no file open', skipFor(noLinux), async () => {
    await unpack([file('a', 'abc'), file('b'), end]);
    await expect(unpack([file('c', 'abc').subarray(0, 513)])).rejects.toThrow();
    expect(openFilesIn(folder)).toEqual([]);
  });

  it('does not write over what is in the folder', async () => {
    await unpack([file('a', 'abc'), end]);
    await expect(unpack([file('a', 'de'), end])).rejects.toMatchObject({ code: 'EEXIST' });
    expect(readFileSync(join(folder, 'out/a'), 'utf8')).toBe('abc');
  });
});

describe('a header in front of another', () => {
  it('gives the next file its name, and no other', async () => {
    const long = 'long/'.repeat(30);
    expect(
      await unpacked(
        ...[extension('L', `${long}gnu\0\0`), file('cut', 'abc'), file('own', 'de')],
        ...[extension('x', record('mtime=1') + record(`path=${long}a=b`)), file('cut', 'fg'), file('other')],
        end,
      ),
    ).toEqual({ [`${long}gnu`]: 'abc', own: 'de', [`${long}a=b`]: 'fg', other: '' });
  });

  it('gives the next file its size', async () => {
    expect(await unpacked(extension('x', record('size=3')), file('a', 'abc', { [SIZE]: '' }), file('b'))).toEqual({
      a: 'abc',
      b: '',
    });
  });

  it('names the target of a link, or what holds for all files, and changes none', async () => {
    const parts = [extension('g', record('path=evil')), file('a'), extension('K', 'evil'), file('b')];
    expect(await unpacked(...parts)).toEqual({ a: '', b: '' });
  });

  it('of a folder is not that of the file behind', async () => {
    const parts = [extension('x', record('path=folder')), file('f', '', { [TYPE]: '5' }), file('a', 'abc')];
    expect(await unpacked(...parts)).toEqual({ a: 'abc' });
  });

  it.each(['', 'path=evil', '0 path=evil\n', '-7 path=evil\n', 'x path=evil\n', '15.5 path=evil\n\n'])(
    'is passed over from where it is damaged: %j',
    async (damaged) => {
      expect(await unpacked(extension('x', damaged), file('a', 'abc'))).toEqual({ a: 'abc' });
    },
  );

  it('may have a megabyte, and no more', async () => {
    const text = record('mtime=1').padEnd(2 ** 20, '\0');
    expect(await unpacked(extension('x', text), file('a', 'abc'))).toEqual({ a: 'abc' });
    await expect(unpack([extension('x', `${text}\0`)])).rejects.toEqual(received('a header of 1048577 bytes'));
  });

  it.each(['a\0b', '../a', '/a', 'a/', '.', 'a:b'])('is refused with the path %j', async (path) => {
    await expect(unpack([extension('x', record(`path=${path}`)), file('a')])).rejects.toEqual(
      received(`${JSON.stringify(path)}, which leads out of the folder`),
    );
  });

  it('is refused with a zero byte in a name', async () => {
    await expect(unpack([extension('L', 'a\0b'), file('a')])).rejects.toEqual(
      received('"a\\u0000b", which leads out of the folder'),
    );
  });

  it.each(['many', '-5000', '1.5', '9007199254740992'])('is refused with the size %s', async (size) => {
    await expect(unpack([extension('x', record(`size=${size}`)), file('a', 'abc'), end])).rejects.toEqual(
      received('a size that is none'),
    );
  });
});
