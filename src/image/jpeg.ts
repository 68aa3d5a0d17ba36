import { T2IError } from '../errors.js';
import { MAX_PARTS } from './bytes.js';

export interface JpegSegment {
  /** The byte behind 0xff, for example 0xe1 for APP1. */
  readonly marker: number;
  readonly body: Buffer;
}

const START_OF_IMAGE = 0xd8;
const END_OF_IMAGE = 0xd9;
const START_OF_SCAN = 0xda;
const QUANTISATION_TABLES = 0xdb;
/** Application data: JFIF is APP0, EXIF and XMP are APP1. */
export const APP0 = 0xe0;
export const APP1 = 0xe1;
/** Longest body of a segment, whose length of two bytes counts itself. */
const MAX_BODY = 0xffff - 2;

/** True where the bytes begin as every JPEG does. */
export function isJpeg(bytes: Uint8Array): boolean {
  return bytes[0] === 0xff && bytes[1] === START_OF_IMAGE;
}

/**
 * The segments in front of the first scan (ITU-T T.81, B.1.1); the bodies are views.
 *
 * @throws T2IError IMAGE_INVALID where a segment is cut off, or there are too many
 */
export function* readJpegSegments(file: Buffer): Generator<JpegSegment> {
  let offset = 2;
  for (let count = 0; ; count++) {
    if (count === MAX_PARTS) throw new T2IError('IMAGE_INVALID', `The JPEG has more than ${MAX_PARTS} segments`);
    if (file[offset] !== 0xff) throw new T2IError('IMAGE_INVALID', `The JPEG has no marker at byte ${offset}`);
    while (file[offset + 1] === 0xff) offset++;
    const marker = file[offset + 1] as number;
    if (marker === START_OF_SCAN || marker === END_OF_IMAGE) return;
    // A length below 2, its own size, is no way on: no marker can follow inside it.
    const length = offset + 4 <= file.length ? file.readUInt16BE(offset + 2) : 0;
    const end = offset + 2 + length;
    if (end > file.length) {
      throw new T2IError('IMAGE_INVALID', `The JPEG has a segment at byte ${offset} that runs past its end`);
    }
    yield { marker, body: file.subarray(offset + 4, end) };
    offset = end;
  }
}

/**
 * A copy of a JPEG that was just encoded, with one more segment behind its JFIF header, where readers of EXIF look.
 *
 * @throws T2IError OPTION_INVALID where the body is too long for a segment
 */
export function insertJpegSegment(jpeg: Buffer, { marker, body }: JpegSegment): Buffer<ArrayBuffer> {
  if (body.length > MAX_BODY) {
    throw new T2IError(
      'OPTION_INVALID',
      `A JPEG segment holds ${MAX_BODY} bytes of metadata; ${body.length} are needed`,
      {
        hint: 'Use png or webp, a shorter prompt, or no metadata.',
      },
    );
  }
  const [first] = readJpegSegments(jpeg);
  const at = first?.marker === APP0 ? 2 + 4 + first.body.length : 2;
  const head = Buffer.from([0xff, marker, 0, 0]);
  head.writeUInt16BE(body.length + 2, 2);
  return Buffer.concat([jpeg.subarray(0, at), head, body, jpeg.subarray(at)]);
}

/** Sum of all steps of the quantisation tables (ITU-T T.81, B.2.4.1): the coarser the encoder, the larger. */
export function jpegCoarseness(file: Buffer): number {
  let sum = 0;
  for (const { marker, body } of readJpegSegments(file)) {
    if (marker !== QUANTISATION_TABLES) continue;
    for (let at = 0; at < body.length; ) {
      const wide = (body[at] as number) >> 4 === 1;
      const table = body.subarray(at + 1, at + 1 + (wide ? 128 : 64));
      for (let i = 0; i + Number(wide) < table.length; i += wide ? 2 : 1) {
        sum += wide ? table.readUInt16BE(i) : (table[i] as number);
      }
      at += 1 + (wide ? 128 : 64);
    }
  }
  return sum;
}
