import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readSegments, sizeOf } from '../../../../src/ops/archive/segments.js';
import { tarSegments } from '../../../../src/ops/archive/tar.js';
import { untar } from '../../../../src/ops/archive/untar.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 't2i-tar-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const LIMITS = { files: 10, bytes: 10_000 };
const signal = new AbortController().signal;

async function* inPieces(bytes: Buffer, piece: number) {
  for (let at = 0; at < bytes.length; at += piece) yield bytes.subarray(at, at + piece);
}
const unpack = (bytes: Buffer, limits = LIMITS, piece = 700) =>
  untar(inPieces(bytes, piece), join(folder, 'out'), 'x.tar', limits);
const tarOf = async (files: Record<string, string>) => {
  const segments = tarSegments(Object.entries(files).map(([name, text]) => ({ name, content: Buffer.from(text) })));
  const chunks: Buffer[] = [];
  for await (const chunk of readSegments(segments, 0, sizeOf(segments), signal)) chunks.push(chunk);
  return Buffer.concat(chunks);
};
/** By the system's tar, of what lies in `folder/in`. */
const systemTar = (...options: string[]) => execFileSync('tar', ['-c', ...options, '-C', join(folder, 'in'), '.']);

describe('a tar', () => {
  it.each([['--format=ustar'], ['--format=pax'], ['--format=gnu']])(
    'of the system (%s) is unpacked',
    async (format) => {
      const long = 'a-long-name/'.repeat(9);
      mkdirSync(join(folder, 'in', long), { recursive: true });
      writeFileSync(join(folder, 'in', long, 'file.txt'), 'x'.repeat(1234));
      writeFileSync(join(folder, 'in/empty'), '');
      const files = await unpack(systemTar(format));
      expect(Object.keys(files).sort()).toEqual([`${long}file.txt`, 'empty']);
      expect(readFileSync(join(folder, 'out', long, 'file.txt'), 'utf8')).toBe('x'.repeat(1234));
    },
  );

  it.each([1, 511, 100_000])('that comes in pieces of %s bytes has the files that were packed', async (piece) => {
    const files = { 'a.txt': 'abc', [`${'ü'.repeat(80)}/b`]: 'x'.repeat(600) };
    const found = await unpack(await tarOf(files), LIMITS, piece);
    expect(found['a.txt']).toEqual({
      bytes: 3,
      sha256: 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
    });
    for (const [name, text] of Object.entries(files))
      expect(readFileSync(join(folder, 'out', name), 'utf8')).toBe(text);
  });

  it.each(['../evil', '/tmp/t2i-evil', 'a/../../evil', 'a\\..\\evil', 'C:evil', 'a//b', 'a/./b', ''])(
    'with a file named %s is refused',
    async (name) => {
      await expect(unpack(await tarOf({ [name]: 'x' }))).rejects.toMatchObject({ code: 'DOWNLOAD_INVALID' });
      expect(readdirSync(folder).filter((entry) => entry !== 'out')).toEqual([]);
      expect(existsSync('/tmp/t2i-evil')).toBe(false);
    },
  );

  it('with a link is refused', async () => {
    mkdirSync(join(folder, 'in'));
    symlinkSync('/etc/passwd', join(folder, 'in/link'));
    await expect(unpack(systemTar())).rejects.toThrow('"link", which is no regular file');
  });

  it('that is more than allowed is refused before it is written', async () => {
    const bytes = await tarOf({ a: 'x'.repeat(5000), b: 'y'.repeat(5001) });
    await expect(unpack(bytes)).rejects.toThrow('more than 10 files or 10000 bytes');
    expect(existsSync(join(folder, 'out/b'))).toBe(false);
    await expect(unpack(await tarOf({ c: '', d: '' }), { files: 1, bytes: 9 })).rejects.toThrow('more than 1 files');
  });

  it('with the same name twice is refused', async () => {
    const [one, two] = [await tarOf({ a: 'x' }), await tarOf({ a: 'y' })];
    await expect(unpack(Buffer.concat([one.subarray(0, 1024), two]))).rejects.toThrow('"a" twice');
  });

  it('that ends too soon or was damaged is refused', async () => {
    const bytes = await tarOf({ a: 'x'.repeat(2000) });
    await expect(unpack(bytes.subarray(0, 1000))).rejects.toThrow('ends too soon');
    bytes.writeUInt8(bytes.readUInt8(3) ^ 1, 3);
    await expect(unpack(bytes)).rejects.toThrow('checksum');
  });
});
