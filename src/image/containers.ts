import { T2IError } from '../errors.js';
import { asBuffer } from './bytes.js';
import { APP1, isJpeg, readJpegSegments } from './jpeg.js';
import { isPng, readPngChunks, textOfChunk } from './png.js';
import { isWebp, readWebpChunks } from './webp.js';
import { receiptsInXmp } from './xmp.js';

/** Keyword of the PNG text chunk that holds the receipt. */
export const RECEIPT_KEYWORD = 't2i-receipt';
/** Keyword that the XMP specification gives for PNG. */
export const XMP_KEYWORD = 'XML:com.adobe.xmp';

const JPEG_XMP_HEADER = 'http://ns.adobe.com/xap/1.0/\0';
/** XMP packets longer than this are passed over; ours are a few kilobytes. */
const MAX_XMP = 1 << 20;
/** Most places that are searched in one file: a compressed text of kilobytes may unpack to a megabyte. */
const MAX_PLACES = 16;

/** What one place of a file holds: our own text chunk, or an XMP packet that other programs may have copied. */
interface Place {
  readonly own: boolean;
  readonly receipts: readonly string[];
}

/**
 * Every receipt in a PNG, JPEG or WebP file, as JSON text. A PNG of ours holds its receipt twice, in a chunk and in XMP; that counts
 * as one, and two that differ as two.
 *
 * @throws T2IError IMAGE_INVALID where the file is none of the three, or is damaged
 */
export function findReceipts(bytes: Uint8Array): string[] {
  const own: string[] = [];
  const inXmp: string[] = [];
  let count = 0;
  for (const place of searchFile(asBuffer(bytes))) {
    if (++count > MAX_PLACES) {
      throw new T2IError('IMAGE_INVALID', `The file has more than ${MAX_PLACES} chunks that may hold a receipt`);
    }
    (place.own ? own : inXmp).push(...place.receipts);
  }
  return [...own, ...inXmp.filter((receipt) => !own.includes(receipt))];
}

function searchFile(file: Buffer): Iterable<Place> {
  if (isPng(file)) return searchPng(file);
  if (isJpeg(file)) return searchJpeg(file);
  if (isWebp(file)) return searchWebp(file);
  throw new T2IError('IMAGE_INVALID', 'The file is not a PNG, JPEG or WebP image');
}

function* searchPng(file: Buffer): Generator<Place> {
  for (const chunk of readPngChunks(file)) {
    const receipt = textOfChunk(chunk, RECEIPT_KEYWORD);
    if (receipt !== null) yield { own: true, receipts: [receipt] };
    const xmp = textOfChunk(chunk, XMP_KEYWORD);
    if (xmp !== null) yield inPacket(xmp);
  }
}

function* searchJpeg(file: Buffer): Generator<Place> {
  for (const { marker, body } of readJpegSegments(file)) {
    if (marker !== APP1 || body.toString('latin1', 0, JPEG_XMP_HEADER.length) !== JPEG_XMP_HEADER) continue;
    yield inPacket(body.toString('utf8', JPEG_XMP_HEADER.length));
  }
}

function* searchWebp(file: Buffer): Generator<Place> {
  for (const { type, body } of readWebpChunks(file)) {
    if (type === 'XMP ' && body.length <= MAX_XMP) yield inPacket(body.toString('utf8'));
  }
}

const inPacket = (xmp: string): Place => ({ own: false, receipts: receiptsInXmp(xmp) });
