import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readSegments, sizeOf } from '../../../../src/ops/archive/segments.js';
import { type ZipFile, zipSegments } from '../../../../src/ops/archive/zip.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 't2i-zip-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const file = (name: string, text: string): ZipFile => ({ name, content: Buffer.from(text), crc32: crc32(text) });
const signal = new AbortController().signal;

/** What Python's zipfile finds, which checks every CRC. */
const READ = `
import json, sys, zipfile
z = zipfile.ZipFile(sys.argv[1])
assert z.testzip() is None
print(json.dumps([[i.filename, z.read(i).decode(), list(i.date_time), oct(i.external_attr >> 16), i.compress_type] for i in z.infolist()]))
`;
async function unzipped(files: readonly ZipFile[]): Promise<unknown> {
  const segments = zipSegments(files);
  const chunks: Buffer[] = [];
  for await (const chunk of readSegments(segments, 0, sizeOf(segments), signal)) chunks.push(chunk);
  writeFileSync(join(folder, 'a.zip'), Buffer.concat(chunks));
  return JSON.parse(execFileSync('python3', ['-c', READ, join(folder, 'a.zip')], { encoding: 'utf8' }));
}

describe('a zip', () => {
  it('has the files that were packed, from memory and from the disk, at no time of this machine', async () => {
    writeFileSync(join(folder, 'b'), 'on the disk');
    const onDisk = { name: 'ü/b.txt', content: { path: join(folder, 'b'), bytes: 11 }, crc32: crc32('on the disk') };
    expect(await unzipped([file('a.txt', 'abc'), onDisk, file('empty', '')])).toEqual(
      [
        ['a.txt', 'abc'],
        ['ü/b.txt', 'on the disk'],
        ['empty', ''],
      ].map((entry) => [...entry, [1980, 1, 1, 0, 0, 0], '0o100644', 0]),
    );
  });

  it('may be empty', async () => {
    expect(await unzipped([])).toEqual([]);
  });

  it('holds 65,535 files and 4 GiB, and no more', () => {
    const many = (count: number) => Array.from({ length: count }, () => file('a', ''));
    expect(() => zipSegments(many(65_535))).not.toThrow();
    const issue = expect.objectContaining({ option: 'archive', received: '65536 files that are more' });
    expect(() => zipSegments(many(65_536))).toThrow(
      expect.objectContaining({ code: 'OPTION_INVALID', issues: [issue] }),
    );
    // A local header has 30 bytes and the name.
    const large = (bytes: number) => [{ name: 'a', content: { path: 'a', bytes }, crc32: 0 }];
    expect(() => zipSegments(large(2 ** 32 - 1 - 31))).not.toThrow();
    expect(() => zipSegments(large(2 ** 32 - 31))).toThrow(/65535 files and 4 GiB/);
    expect(() => zipSegments([...large(2 ** 31), ...large(2 ** 31)])).toThrow(/65535 files and 4 GiB/);
  });
});
