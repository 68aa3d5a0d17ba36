import { Buffer } from 'node:buffer';
import type { Segment, Segments } from './segments.js';

const BLOCK = 512;

/** A file of an archive: its name there, and its bytes or where they lie. */
export interface ArchiveFile {
  readonly name: string;
  readonly content: Segment;
}

/**
 * A tar of regular files, in the order given. The same files give the same bytes: no times, owners or modes of this machine. Names of
 * more than 100 bytes have a pax header (POSIX.1-2001).
 */
export function tarSegments(files: readonly ArchiveFile[]): Segments {
  const segments: Segment[] = [];
  for (const { name, content } of files) {
    const bytes = Buffer.isBuffer(content) ? content.length : content.bytes;
    if (needsPax(name, bytes)) {
      const record = paxRecords({ path: name, ...(bytes > LARGEST_OCTAL ? { size: String(bytes) } : {}) });
      segments.push(header('pax_header', record.length, 'x'), record, padding(record.length));
    }
    segments.push(header(name, Math.min(bytes, LARGEST_OCTAL), '0'), content, padding(bytes));
  }
  segments.push(Buffer.alloc(2 * BLOCK));
  return segments;
}

/** Eleven octal digits. */
const LARGEST_OCTAL = 8 ** 11 - 1;

function needsPax(name: string, bytes: number): boolean {
  return Buffer.byteLength(name) > 100 || /[^\x20-\x7e]/.test(name) || bytes > LARGEST_OCTAL;
}

function header(name: string, bytes: number, type: string): Buffer {
  const block = Buffer.alloc(BLOCK);
  block.write(name.replace(/[^\x20-\x7e]/g, '_').slice(0, 100), 0, 'latin1');
  block.write('0000644\0', 100);
  block.write('0000000\0', 108);
  block.write('0000000\0', 116);
  block.write(`${bytes.toString(8).padStart(11, '0')}\0`, 124);
  block.write('00000000000\0', 136);
  block.write('        ', 148);
  block.write(type, 156);
  block.write('ustar\x0000', 257, 'latin1');
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}

/** Each record begins with its own length in decimal digits. */
function paxRecords(records: Readonly<Record<string, string>>): Buffer {
  const lines = Object.entries(records).map(([key, value]) => {
    const rest = ` ${key}=${value}\n`;
    const bytes = Buffer.byteLength(rest);
    // With its own digits the length may have one more of them.
    const length = bytes + String(bytes + String(bytes).length).length;
    return `${length}${rest}`;
  });
  return Buffer.from(lines.join(''));
}

function padding(bytes: number): Buffer {
  return Buffer.alloc((BLOCK - (bytes % BLOCK)) % BLOCK);
}
