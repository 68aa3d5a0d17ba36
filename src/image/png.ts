import { crc32, inflateSync } from 'node:zlib';
import { T2IError } from '../errors.js';
import { asBuffer, MAX_PARTS } from './bytes.js';

const SIGNATURE = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);
/** Longest text that is unpacked from a compressed chunk, in bytes. */
const MAX_TEXT = 1 << 20;

export interface PngChunk {
  /** Four letters, for example `IHDR`. */
  readonly type: string;
  readonly data: Uint8Array;
}

/** True where the bytes begin as every PNG does. */
export function isPng(bytes: Uint8Array): boolean {
  return SIGNATURE.every((byte, index) => bytes[index] === byte);
}

/**
 * The chunks of a PNG (ISO/IEC 15948, clause 5), in order, each checked for its length and CRC; the data are views.
 *
 * @throws T2IError IMAGE_INVALID where a chunk is cut off, lies about its length or has a wrong CRC
 */
export function* readPngChunks(bytes: Uint8Array): Generator<PngChunk> {
  const view = asBuffer(bytes);
  let offset = SIGNATURE.length;
  for (let count = 0; ; count++) {
    if (count === MAX_PARTS) throw invalid(`has more than ${MAX_PARTS} chunks`);
    if (offset + 12 > view.length) throw invalid(`ends at byte ${view.length}, before its last chunk`);
    const length = view.readUInt32BE(offset);
    const type = view.toString('latin1', offset + 4, offset + 8);
    if (!/^[A-Za-z]{4}$/.test(type)) throw invalid(`has no chunk at byte ${offset}`);
    if (count === 0 && (type !== 'IHDR' || length !== 13)) throw invalid('does not begin with an IHDR chunk');
    const end = offset + 8 + length;
    if (end + 4 > view.length) throw invalid(`has a chunk ${type} of ${length} bytes that runs past its end`);
    if (crc32(view.subarray(offset + 4, end)) !== view.readUInt32BE(end)) throw invalid(`has a wrong CRC in ${type}`);
    yield { type, data: view.subarray(offset + 8, end) };
    if (type === 'IEND') return;
    offset = end + 4;
  }
}

/** A copy of a PNG that was just encoded, with more chunks right behind its IHDR. */
export function insertPngChunks(png: Uint8Array, chunks: readonly PngChunk[]): Uint8Array<ArrayBuffer> {
  const headerEnd = SIGNATURE.length + 12 + 13;
  return Buffer.concat([png.subarray(0, headerEnd), ...chunks.map(packChunk), png.subarray(headerEnd)]);
}

function packChunk({ type, data }: PngChunk): Buffer {
  const packed = Buffer.alloc(12 + data.length);
  packed.writeUInt32BE(data.length, 0);
  packed.write(type, 4, 'latin1');
  packed.set(data, 8);
  packed.writeUInt32BE(crc32(packed.subarray(4, 8 + data.length)), 8 + data.length);
  return packed;
}

/** A text chunk: `tEXt` for ASCII, which every reader knows, `iTXt` in UTF-8 for the rest; never compressed. */
export function textChunk(keyword: string, text: string): PngChunk {
  if (/^[\x20-\x7e\n]*$/.test(text)) return { type: 'tEXt', data: Buffer.from(`${keyword}\0${text}`, 'latin1') };
  return internationalTextChunk(keyword, text);
}

/** An `iTXt` chunk whatever the text holds; the form that XMP is required to have. */
export function internationalTextChunk(keyword: string, text: string): PngChunk {
  return { type: 'iTXt', data: Buffer.from(`${keyword}\0\0\0\0\0${text}`, 'utf8') };
}

/**
 * The text of a `tEXt`, `zTXt` or `iTXt` chunk that carries the keyword; null for every other chunk.
 *
 * @throws T2IError IMAGE_INVALID for a damaged chunk and for text of more than 1 MiB
 */
export function textOfChunk({ type, data }: PngChunk, keyword: string): string | null {
  if (type !== 'tEXt' && type !== 'zTXt' && type !== 'iTXt') return null;
  const bytes = asBuffer(data);
  const start = keyword.length + 1;
  if (bytes.toString('latin1', 0, start) !== `${keyword}\0`) return null;
  if (type === 'tEXt') return limited(bytes.subarray(start)).toString('latin1');
  if (type === 'zTXt') return unpack(bytes.subarray(start + 1)).toString('latin1');
  const languageEnd = bytes.indexOf(0, start + 2);
  const translationEnd = languageEnd < 0 ? -1 : bytes.indexOf(0, languageEnd + 1);
  if (translationEnd < 0) throw invalid(`has a damaged text chunk ${keyword}`);
  const body = bytes.subarray(translationEnd + 1);
  return (bytes[start] === 1 ? unpack(body) : limited(body)).toString('utf8');
}

function limited(body: Buffer): Buffer {
  if (body.length > MAX_TEXT) throw invalid(`has a text of more than ${MAX_TEXT} bytes`);
  return body;
}

function unpack(body: Buffer): Buffer {
  try {
    return inflateSync(body, { maxOutputLength: MAX_TEXT });
  } catch (cause) {
    throw invalid(`has a compressed text that is damaged or of more than ${MAX_TEXT} bytes`, cause);
  }
}

function invalid(what: string, cause?: unknown): T2IError {
  return new T2IError('IMAGE_INVALID', `The PNG ${what}`, { cause });
}
