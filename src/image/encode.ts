import { T2IError } from '../errors.js';
import { checkFields, integer, oneOf, refuse } from '../fields.js';
import { asBuffer } from './bytes.js';
import { RECEIPT_KEYWORD, XMP_KEYWORD } from './containers.js';
import { exifWithComment, JPEG_EXIF_HEADER } from './exif.js';
import { IMAGE_FORMATS, type ImageFormat } from './formats.js';
import { APP1, insertJpegSegment } from './jpeg.js';
import { writeParameters } from './parameters.js';
import { insertPngChunks, internationalTextChunk, textChunk } from './png.js';
import { type Receipt, serializeReceipt } from './receipt.js';
import { loadSharp } from './sharp.js';
import { insertWebpExif } from './webp.js';
import { writeXmp } from './xmp.js';

/** Pixels, 8-bit RGB, row-major, three bytes a pixel. */
export interface Pixels {
  readonly rgb: Uint8Array;
  readonly width: number;
  readonly height: number;
}

export interface EncodeOptions {
  /** Default: `png`. */
  format?: ImageFormat | undefined;
  /** 1 to 100, for the lossy formats. Default: 90. */
  quality?: number | undefined;
}

/** libvips drops longer XMP without an error; a JPEG segment itself would hold 65,504 bytes of it. */
const MAX_JPEG_XMP = 60_000;

/**
 * Pixels as the bytes of an image file. The same pixels, options and receipt give the same bytes.
 *
 * @param receipt what the file says of itself, or null for a file without metadata
 * @throws T2IError CODEC_UNAVAILABLE; OPTION_INVALID, also where a JPEG is too small for the receipt of a very long prompt
 */
export async function encodeImage(
  pixels: Pixels,
  receipt: Receipt | null,
  options: EncodeOptions = {},
): Promise<Uint8Array<ArrayBuffer>> {
  refuse(checkFields(options, { format: oneOf(IMAGE_FORMATS), quality: integer(1, 100) }));
  const { format = 'png', quality } = options;
  if (format === 'png') {
    if (quality !== undefined) refuse([{ option: 'quality', expected: 'nothing with png', received: String(quality) }]);
    const png = await (await rasterOf(pixels)).png().toBuffer();
    return receipt === null ? png : insertPngChunks(png, pngMetadata(receipt));
  }
  const lossy = { format, quality: quality ?? 90, chromaSubsampling: '4:4:4' } as const;
  if (receipt === null) return encodeLossy(pixels, lossy);
  const bytes = asBuffer(await encodeLossy(pixels, lossy, lossyXmp(receipt, format)));
  const exif = exifWithComment(writeParameters(receipt));
  if (format === 'webp') return insertWebpExif(bytes, exif);
  return insertJpegSegment(bytes, { marker: APP1, body: Buffer.concat([JPEG_EXIF_HEADER, exif]) });
}

/** How a lossy file was encoded, as far as it decides the pixels. */
export interface LossyEncoding {
  readonly format: 'jpeg' | 'webp';
  /** 1 to 100. */
  readonly quality: number;
  /** How many pixels share a colour in a JPEG; WebP has its own way. */
  readonly chromaSubsampling: '4:4:4' | '4:2:0';
  /** Whether a JPEG was made smaller as mozjpeg does, which chooses coefficients by what they cost. Default: false. */
  readonly mozjpeg?: boolean;
}

/** Pixels as a JPEG or WebP without other metadata than the XMP packet. */
export async function encodeLossy(
  pixels: Pixels,
  encoding: LossyEncoding,
  xmp?: string,
): Promise<Uint8Array<ArrayBuffer>> {
  const { format, quality, chromaSubsampling, mozjpeg = false } = encoding;
  const raster = await rasterOf(pixels);
  if (xmp !== undefined) raster.withXmp(xmp);
  return (
    format === 'jpeg' ? raster.jpeg({ quality, chromaSubsampling, mozjpeg }) : raster.webp({ quality })
  ).toBuffer();
}

async function rasterOf({ rgb, width, height }: Pixels) {
  return (await loadSharp())(rgb, { raw: { width, height, channels: 3 } });
}

/**
 * Chunks of a PNG that say how it was made. The receipt stands in the XMP as well, which programs keep that turn a PNG into another
 * format; sharp would compress it, where readers of the standard do not look for it.
 */
function pngMetadata(receipt: Receipt) {
  return [
    textChunk('parameters', writeParameters(receipt)),
    textChunk(RECEIPT_KEYWORD, serializeReceipt(receipt)),
    internationalTextChunk(XMP_KEYWORD, writeXmp(serializeReceipt(receipt))),
  ];
}

function lossyXmp(receipt: Receipt, format: ImageFormat): string {
  const xmp = writeXmp(serializeReceipt(receipt));
  const length = Buffer.byteLength(xmp);
  if (format !== 'jpeg' || length <= MAX_JPEG_XMP) return xmp;
  throw new T2IError('OPTION_INVALID', `A JPEG holds ${MAX_JPEG_XMP} bytes of metadata; the receipt takes ${length}`, {
    hint: 'Use png or webp, a shorter prompt, or no metadata.',
  });
}
