import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { hashSegments, readSegments, type Segments, sizeOf } from '../../../../src/ops/archive/segments.js';
import { tarSegments } from '../../../../src/ops/archive/tar.js';

let folder: string;
let segments: Segments;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 't2i-segments-'));
  writeFileSync(join(folder, 'file'), '34567');
  segments = [Buffer.from('012'), { path: join(folder, 'file'), bytes: 5 }, Buffer.from('89')];
});
afterEach(() => rmSync(folder, { recursive: true }));

const signal = new AbortController().signal;
async function read(start: number, end: number, stop = signal): Promise<string> {
  let text = '';
  for await (const chunk of readSegments(segments, start, end, stop)) text += chunk;
  return text;
}

describe('an archive that is not written', () => {
  it('can be read from anywhere to anywhere', async () => {
    const whole = '0123456789';
    expect(sizeOf(segments)).toBe(10);
    for (let start = 0; start <= 10; start++) {
      for (let end = start; end <= 10; end++) expect(await read(start, end)).toBe(whole.slice(start, end));
    }
  });

  it('has the hash of its bytes', async () => {
    expect(await hashSegments(segments, signal)).toBe(createHash('sha256').update('0123456789').digest('hex'));
  });

  it('is refused where a file has become shorter, or is gone', async () => {
    writeFileSync(join(folder, 'file'), '34');
    await expect(read(0, 10)).rejects.toMatchObject({
      code: 'DATA_INVALID',
      message: `${join(folder, 'file')} changed while it was read`,
      hint: expect.stringContaining('run this again'),
    });
    expect(await read(3, 5)).toBe('34');
    rmSync(join(folder, 'file'));
    await expect(read(0, 10)).rejects.toMatchObject({ code: 'IO_FAILED' });
    expect(await read(0, 3)).toBe('012');
  });

  it('ends with the reason of an abort', async () => {
    await expect(read(0, 10, AbortSignal.abort('stop'))).rejects.toBe('stop');
  });
});

describe('a tar', () => {
  const kinds = (name: string) =>
    tarSegments([{ name, content: Buffer.from('abc') }])
      .filter((part) => Buffer.isBuffer(part) && part.length === 512)
      .map((part) => String.fromCharCode((part as Buffer)[156] as number));

  it.each<[string, string, string[]]>([
    ['100 letters', 'a'.repeat(100), ['0']],
    ['101 letters', 'a'.repeat(101), ['x', '0']],
    ['101 bytes', `${'a'.repeat(99)}ü`, ['x', '0']],
    ['a letter that is not ASCII', 'ü', ['x', '0']],
    ['a control character', 'a\tb', ['x', '0']],
    ['a tilde and a space', 'a ~', ['0']],
  ])('has a header in front of a name only where that needs one: %s', (_, name, expected) => {
    expect(kinds(name)).toEqual(expected);
  });

  it('has as much of a long name in its header as older readers take, and nothing of it elsewhere', () => {
    const segmentsOf = (letters: number) => tarSegments([{ name: 'a'.repeat(letters), content: Buffer.from('') }]);
    expect(segmentsOf(500)[3]).toEqual(segmentsOf(100)[0]);
  });

  it("is read by the system's, and says nothing of this machine", async () => {
    const files = { 'a.txt': 'abc', [`${'b'.repeat(120)}/ü`]: 'x'.repeat(512), empty: '' };
    const onDisk = { name: 'on-disk', content: { path: join(folder, 'file'), bytes: 5 } };
    const inMemory = Object.entries(files).map(([name, text]) => ({ name, content: Buffer.from(text) }));
    const parts = tarSegments([onDisk, ...inMemory]);
    const chunks: Buffer[] = [];
    for await (const chunk of readSegments(parts, 0, sizeOf(parts), signal)) chunks.push(chunk);
    const input = Buffer.concat(chunks);
    expect(input.length % 512).toBe(0);
    // The last file is empty: what stands behind its header is the end.
    expect(input.subarray(-1024)).toEqual(Buffer.alloc(1024));
    const options = { input, encoding: 'utf8', env: { ...process.env, TZ: 'UTC' } } as const;
    const listed = execFileSync('tar', ['-tv', '--numeric-owner', '--quoting-style=literal'], options).trim();
    const expected = [['on-disk', 5], ...Object.entries(files).map(([name, text]) => [name, text.length])];
    expect(listed.split('\n').map((line) => line.split(/ +/))).toEqual(
      expected.map(([name, bytes]) => ['-rw-r--r--', '0/0', String(bytes), '1970-01-01', '00:00', name]),
    );
  });

  it('says sizes beyond eleven octal digits in a header of their own', () => {
    const headers = (bytes: number, name = 'a') =>
      tarSegments([{ name, content: { path: 'a', bytes } }])
        .filter((part) => Buffer.isBuffer(part))
        .map(String);
    expect(headers(8 ** 11 - 1).join('')).toContain('\x0077777777777\0');
    expect(headers(8 ** 11 - 1).join('')).not.toContain('path=');
    expect(headers(8 ** 11 - 1, 'ü').join('')).not.toContain('size=');
    expect(headers(8 ** 11).join('')).toContain(`9 path=a\n19 size=${8 ** 11}\n`);
  });

  it.each([1, 84, 85, 86, 87, 88, 89, 90, 985, 986, 987, 988])(
    'counts the record of a name of %i letters whole',
    (letters) => {
      const name = `ü${'x'.repeat(letters)}`;
      const record = tarSegments([{ name, content: Buffer.from('') }])[1] as Buffer;
      const [length] = String(record).split(' ');
      expect(Number(length)).toBe(record.length);
    },
  );
});
