import { createHash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { T2IError } from '../../errors.js';
import { makeFolder } from '../../files.js';
import { type FileRecord, staysInside } from '../transfer/tree.js';

const BLOCK = 512;

export interface UntarLimits {
  readonly files: number;
  readonly bytes: number;
}

/**
 * Unpacks a tar of regular files into a new folder, and hashes what it writes. Folders of the archive are made as files need them.
 *
 * @param chunks of the tar, unpacked from gzip
 * @param name of the archive, for messages
 * @returns the files by their paths
 * @throws T2IError DOWNLOAD_INVALID for names that lead elsewhere, links, devices, a name twice, more than the limits, and what is no
 *   whole tar; IO_FAILED
 */
export async function untar(
  chunks: AsyncIterable<Buffer>,
  folder: string,
  name: string,
  limits: UntarLimits,
): Promise<Record<string, FileRecord>> {
  const reader = new Reader(chunks, name);
  const files: Record<string, FileRecord> = {};
  let bytes = 0;
  let long: Record<string, string> = {};
  for (;;) {
    const block = await reader.take(BLOCK);
    // Two blocks of zeros end an archive; what follows is padding.
    if (block === null || block.every((byte) => byte === 0)) break;
    const header = readHeader(block, name);
    const size = long.size === undefined ? header.size : Number(long.size);
    if (!Number.isSafeInteger(size) || size < 0) throw invalid(name, 'a size that is none');
    if (isExtension(header.type)) {
      if (size > LARGEST_HEADER) throw invalid(name, `a header of ${size} bytes`);
      const text = await reader.need(size);
      await reader.skip(padding(size));
      if (header.type === 'L') long = { path: text.toString().replace(/\0+$/, '') };
      else if (header.type === 'x') long = readPax(text);
      continue;
    }
    const path = (long.path ?? header.path).replace(/^(\.\/)+/, '');
    long = {};
    if (header.type === '5') continue;
    if (header.type !== '0' && header.type !== '\0') throw invalid(name, `${shown(path)}, which is no regular file`);
    if (!staysInside(path)) throw invalid(name, `${shown(path)}, which leads out of the folder`);
    if (Object.hasOwn(files, path)) throw invalid(name, `${shown(path)} twice`);
    bytes += size;
    if (bytes > limits.bytes || Object.keys(files).length >= limits.files)
      throw invalid(name, `more than ${limits.files} files or ${limits.bytes} bytes`);
    files[path] = await writeFile(reader, join(folder, path), size);
    await reader.skip(padding(size));
  }
  return files;
}

const LARGEST_HEADER = 2 ** 20;

interface Header {
  readonly path: string;
  readonly size: number;
  readonly type: string;
}

function isExtension(type: string): boolean {
  return ['x', 'g', 'L', 'K'].includes(type);
}

function readHeader(block: Buffer, name: string): Header {
  const stated = Number.parseInt(text(block, 148, 8), 8);
  const sum = block.reduce((total, byte, at) => total + (at >= 148 && at < 156 ? 32 : byte), 0);
  if (stated !== sum) throw invalid(name, 'a header whose checksum is wrong');
  const prefix = text(block, 257, 5) === 'ustar' ? text(block, 345, 155) : '';
  const path = text(block, 0, 100);
  return {
    path: prefix === '' ? path : `${prefix}/${path}`,
    size: readSize(block),
    type: String.fromCharCode(block[156] as number),
  };
}

/** Octal, or binary where it is 8 GiB and more (GNU). It may be none: a hostile archive says what it likes. */
function readSize(block: Buffer): number {
  const field = block.subarray(124, 136);
  return (field[0] as number) & 0x80
    ? Number(field.readBigUInt64BE(4) & 0x7fffffffffffffffn)
    : Number.parseInt(text(block, 124, 12) || '0', 8);
}

function readPax(records: Buffer): Record<string, string> {
  const found: Record<string, string> = {};
  for (let at = 0; at < records.length; ) {
    const space = records.indexOf(32, at);
    const length = Number(records.subarray(at, space).toString());
    if (space < 0 || !Number.isInteger(length) || length <= 0) break;
    const [key = '', ...value] = records
      .subarray(space + 1, at + length - 1)
      .toString()
      .split('=');
    if (key === 'path' || key === 'size') found[key] = value.join('=');
    at += length;
  }
  return found;
}

function text(block: Buffer, start: number, length: number): string {
  const field = block.subarray(start, start + length);
  const end = field.indexOf(0);
  return field
    .subarray(0, end < 0 ? length : end)
    .toString()
    .trim();
}

async function writeFile(reader: Reader, path: string, size: number): Promise<FileRecord> {
  await makeFolder(dirname(path));
  const hash = createHash('sha256');
  let file: FileHandle | undefined;
  try {
    file = await open(path, 'wx');
    for (let left = size; left > 0; ) {
      const chunk = await reader.some(left);
      hash.update(chunk);
      await file.writeFile(chunk);
      left -= chunk.length;
    }
    await file.sync();
  } finally {
    await file?.close();
  }
  return { bytes: size, sha256: hash.digest('hex') };
}

function padding(size: number): number {
  return (BLOCK - (size % BLOCK)) % BLOCK;
}

function shown(path: string): string {
  return JSON.stringify(path.slice(0, 100));
}

function invalid(name: string, received: string): T2IError {
  const message = `${name}: expected a tar of regular files, received ${received}`;
  return new T2IError('DOWNLOAD_INVALID', message, {
    hint: 'Nothing of it was kept. Do not use it: something else than the training has written it.',
  });
}

/** Bytes of a stream by number. */
class Reader {
  readonly #chunks: AsyncIterator<Buffer>;
  readonly #name: string;
  #rest: Buffer = Buffer.alloc(0);

  constructor(chunks: AsyncIterable<Buffer>, name: string) {
    this.#chunks = chunks[Symbol.asyncIterator]();
    this.#name = name;
  }

  /** Null at the end of the stream. */
  async take(count: number): Promise<Buffer | null> {
    if (!(await this.#fill())) return null;
    return this.need(count);
  }

  async need(count: number): Promise<Buffer> {
    const parts: Buffer[] = [];
    for (let left = count; left > 0; ) {
      const part = await this.some(left);
      parts.push(part);
      left -= part.length;
    }
    return Buffer.concat(parts);
  }

  async skip(count: number): Promise<void> {
    for (let left = count; left > 0; ) left -= (await this.some(left)).length;
  }

  /** At least one byte, at most so many. */
  async some(most: number): Promise<Buffer> {
    if (!(await this.#fill())) throw invalid(this.#name, 'an archive that ends too soon');
    const part = this.#rest.subarray(0, most);
    this.#rest = this.#rest.subarray(part.length);
    return part;
  }

  async #fill(): Promise<boolean> {
    while (this.#rest.length === 0) {
      const { done, value } = await this.#chunks.next();
      if (done) return false;
      this.#rest = value;
    }
    return true;
  }
}
