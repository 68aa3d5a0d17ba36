import { T2IError } from '../errors.js';
import { isPng, readPngChunks, textOfChunk } from './png.js';
import { receiptsInXmp } from './xmp.js';

/** Keyword of the PNG text chunk that holds the receipt. */
export const RECEIPT_KEYWORD = 't2i-receipt';
/** Keyword that the XMP specification gives for PNG. */
export const XMP_KEYWORD = 'XML:com.adobe.xmp';

const JPEG_XMP_HEADER = 'http://ns.adobe.com/xap/1.0/\0';
/** XMP packets longer than this are passed over; ours are a few kilobytes. */
const MAX_XMP = 1 << 20;

/**
 * Every receipt in a PNG, JPEG or WebP file, as JSON text.
 *
 * @throws T2IError IMAGE_INVALID where the file is none of the three, or is damaged
 */
export function findReceipts(bytes: Uint8Array): string[] {
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (isPng(file)) return receiptsInPng(file);
  if (file[0] === 0xff && file[1] === 0xd8) return receiptsInJpeg(file);
  if (file.toString('latin1', 0, 4) === 'RIFF' && file.toString('latin1', 8, 12) === 'WEBP')
    return receiptsInWebp(file);
  throw new T2IError('IMAGE_INVALID', 'The file is no PNG, JPEG or WebP picture');
}

function receiptsInPng(file: Buffer): string[] {
  const own: string[] = [];
  const inXmp: string[] = [];
  for (const chunk of readPngChunks(file)) {
    const receipt = textOfChunk(chunk, RECEIPT_KEYWORD);
    if (receipt !== null) own.push(receipt);
    const xmp = textOfChunk(chunk, XMP_KEYWORD);
    if (xmp !== null) inXmp.push(...receiptsInXmp(xmp));
  }
  return own.length > 0 ? own : inXmp;
}

/** Walks the segments in front of the first scan (ITU-T T.81, B.1.1). */
function receiptsInJpeg(file: Buffer): string[] {
  const receipts: string[] = [];
  let offset = 2;
  for (;;) {
    if (file[offset] !== 0xff) throw new T2IError('IMAGE_INVALID', `The JPEG has no marker at byte ${offset}`);
    while (file[offset + 1] === 0xff) offset++;
    const marker = file[offset + 1];
    if (marker === 0xda || marker === 0xd9) return receipts;
    // A length below 2, its own size, is no way on: no marker can follow inside it.
    const length = offset + 4 <= file.length ? file.readUInt16BE(offset + 2) : 0;
    const end = offset + 2 + length;
    if (end > file.length) {
      throw new T2IError('IMAGE_INVALID', `The JPEG has a segment at byte ${offset} that runs past its end`);
    }
    const body = file.subarray(offset + 4, end);
    if (marker === 0xe1 && body.toString('latin1', 0, JPEG_XMP_HEADER.length) === JPEG_XMP_HEADER) {
      receipts.push(...receiptsInXmp(body.toString('utf8', JPEG_XMP_HEADER.length)));
    }
    offset = end;
  }
}

/** Walks the chunks of the RIFF container (RFC 9649, section 2.3). */
function receiptsInWebp(file: Buffer): string[] {
  const receipts: string[] = [];
  const fileEnd = 8 + file.readUInt32LE(4);
  if (fileEnd > file.length)
    throw new T2IError('IMAGE_INVALID', `The WebP ends at byte ${file.length}, not at ${fileEnd}`);
  let offset = 12;
  while (offset + 8 <= fileEnd) {
    const length = file.readUInt32LE(offset + 4);
    const end = offset + 8 + length;
    if (end > fileEnd)
      throw new T2IError('IMAGE_INVALID', `The WebP has a chunk at byte ${offset} that runs past its end`);
    if (file.toString('latin1', offset, offset + 4) === 'XMP ' && length <= MAX_XMP) {
      receipts.push(...receiptsInXmp(file.toString('utf8', offset + 8, end)));
    }
    offset = end + (length % 2);
  }
  return receipts;
}
