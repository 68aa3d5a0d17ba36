import { utf8 } from './png-texts.js';

/** The two places in a JPEG or WebP where settings are kept. */
export interface LossyTexts {
  /** XMP packets (ISO 16684-1). */
  readonly xmp: readonly string[];
  /** The user comment of EXIF (CIPA DC-008), where the Stable Diffusion family keeps `parameters`. */
  readonly comment: string | null;
}

const XMP_HEADER = 'http://ns.adobe.com/xap/1.0/\0';
const EXIF_HEADER = 'Exif\0\0';
const APP1 = 0xe1;
const START_OF_SCAN = 0xda;
const EXIF_IFD_POINTER = 0x8769;
const USER_COMMENT = 0x9286;

export const isJpeg = (bytes: Uint8Array): boolean => bytes[0] === 0xff && bytes[1] === 0xd8;
export const isWebp = (bytes: Uint8Array): boolean => ascii(bytes, 0, 4) === 'RIFF' && ascii(bytes, 8, 12) === 'WEBP';

/** The texts of a JPEG, up to its pixels or where it is damaged. */
export function readJpegTexts(bytes: Uint8Array): LossyTexts {
  const view = viewOf(bytes);
  const xmp: string[] = [];
  let comment: string | null = null;
  for (let offset = 2; offset + 4 <= bytes.length && bytes[offset] === 0xff; ) {
    const marker = bytes[offset + 1];
    const end = offset + 2 + view.getUint16(offset + 2);
    if (marker === START_OF_SCAN || end < offset + 4 || end > bytes.length) break;
    const body = bytes.subarray(offset + 4, end);
    if (marker === APP1 && ascii(body, 0, XMP_HEADER.length) === XMP_HEADER) {
      xmp.push(utf8(body.subarray(XMP_HEADER.length)));
    } else if (marker === APP1 && ascii(body, 0, EXIF_HEADER.length) === EXIF_HEADER) {
      comment ??= readComment(body.subarray(EXIF_HEADER.length));
    }
    offset = end;
  }
  return { xmp, comment };
}

/** The texts of a WebP (RFC 9649, section 2.3), up to where it is damaged. */
export function readWebpTexts(bytes: Uint8Array): LossyTexts {
  const view = viewOf(bytes);
  const xmp: string[] = [];
  let comment: string | null = null;
  for (let offset = 12; offset + 8 <= bytes.length; ) {
    const length = view.getUint32(offset + 4, true);
    const body = bytes.subarray(offset + 8, offset + 8 + length);
    const type = ascii(bytes, offset, offset + 4);
    if (type === 'XMP ') xmp.push(utf8(body));
    if (type === 'EXIF') {
      const start = ascii(body, 0, EXIF_HEADER.length) === EXIF_HEADER ? EXIF_HEADER.length : 0;
      comment ??= readComment(body.subarray(start));
    }
    offset += 8 + length + (length % 2);
  }
  return { xmp, comment };
}

/** The user comment in a TIFF block of EXIF; null where there is none that can be read. */
function readComment(tiff: Uint8Array): string | null {
  try {
    const view = viewOf(tiff);
    const little = ascii(tiff, 0, 2) === 'II';
    const exif = findField(view, view.getUint32(4, little), EXIF_IFD_POINTER, little);
    const field = exif === null ? null : findField(view, view.getUint32(exif + 8, little), USER_COMMENT, little);
    if (field === null) return null;
    const start = view.getUint32(field + 8, little);
    const value = tiff.subarray(start, start + view.getUint32(field + 4, little));
    const text = value.subarray(8);
    const code = ascii(value, 0, 8);
    if (code === 'UNICODE\0') return utf16(text);
    return code === 'ASCII\0\0\0' ? utf8(text) : null;
  } catch {
    // A place beyond the end of the block.
    return null;
  }
}

/** Offset of a field in a directory; null where it has none of this tag. */
function findField(view: DataView, directory: number, tag: number, little: boolean): number | null {
  const count = view.getUint16(directory, little);
  for (let index = 0; index < count; index++) {
    const field = directory + 2 + 12 * index;
    if (view.getUint16(field, little) === tag) return field;
  }
  return null;
}

/** Writers differ in whether they follow the block's byte order; the zero of a Latin letter tells which it is. */
function utf16(bytes: Uint8Array): string {
  const zeros = (from: number) => bytes.filter((byte, index) => index % 2 === from && byte === 0).length;
  return new TextDecoder(zeros(0) >= zeros(1) ? 'utf-16be' : 'utf-16le').decode(bytes);
}

function ascii(bytes: Uint8Array, from: number, to: number): string {
  return String.fromCharCode(...bytes.subarray(from, to));
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
