import { Buffer } from 'node:buffer';
import { refuse } from '../../fields.js';
import type { Segment, Segments } from './segments.js';
import type { ArchiveFile } from './tar.js';

/** A file with the CRC-32 that a zip file asks for before its bytes. */
export interface ZipFile extends ArchiveFile {
  readonly crc32: number;
}

/** Without ZIP64, which older programs do not read. */
const MOST_FILES = 65_535;
const MOST_BYTES = 2 ** 32 - 1;
/** 1980-01-01, the oldest date there is: the same files give the same bytes. */
const DATE = (1 << 5) | 1;
const UTF8 = 0x800;

/**
 * A zip file of regular files, stored: images do not shrink (PKWARE APPNOTE 4.3.7, 4.3.12, 4.3.16).
 *
 * @throws T2IError OPTION_INVALID for more than a zip file without ZIP64 holds
 */
export function zipSegments(files: readonly ZipFile[]): Segments {
  const segments: Segment[] = [];
  const directory: Buffer[] = [];
  let at = 0;
  for (const file of files) {
    const name = Buffer.from(file.name);
    const bytes = Buffer.isBuffer(file.content) ? file.content.length : file.content.bytes;
    const shared = fields(file.crc32, bytes, name.length);
    const local = Buffer.concat([uint32(0x04034b50), shared, name]);
    directory.push(
      Buffer.concat([
        uint32(0x02014b50),
        uint16(0x0314),
        shared,
        Buffer.alloc(6),
        uint32(0o100644 << 16),
        uint32(at),
        name,
      ]),
    );
    segments.push(local, file.content);
    at += local.length + bytes;
    if (at > MOST_BYTES) refuseSize(files.length);
  }
  if (files.length > MOST_FILES) refuseSize(files.length);
  const central = Buffer.concat(directory);
  const count = uint16(files.length);
  const end = [uint32(0x06054b50), Buffer.alloc(4), count, count, uint32(central.length), uint32(at), uint16(0)];
  return [...segments, central, Buffer.concat(end)];
}

/** What a local header and an entry of the directory share, from the version on. */
function fields(crc32: number, bytes: number, nameLength: number): Buffer {
  const version = [uint16(20), uint16(UTF8), uint16(0), uint16(0), uint16(DATE)];
  return Buffer.concat([...version, uint32(crc32), uint32(bytes), uint32(bytes), uint16(nameLength), uint16(0)]);
}

function refuseSize(files: number): void {
  refuse([
    {
      option: 'archive',
      expected: `a zip of at most ${MOST_FILES} files and 4 GiB; shards have no limit`,
      received: `${files} files that are more`,
    },
  ]);
}

function uint16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16LE(value);
  return bytes;
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value >>> 0);
  return bytes;
}
