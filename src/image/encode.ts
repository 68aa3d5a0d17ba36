import type sharp from 'sharp';
import { T2IError } from '../errors.js';
import { checkFields, integer, oneOf, refuse } from '../fields.js';
import { RECEIPT_KEYWORD, XMP_KEYWORD } from './containers.js';
import { IMAGE_FORMATS, type ImageFormat } from './formats.js';
import { writeParameters } from './parameters.js';
import { insertPngChunks, internationalTextChunk, textChunk } from './png.js';
import { type Receipt, serializeReceipt } from './receipt.js';
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
 * Pixels as the bytes of a picture file. The same pixels, options and receipt give the same bytes.
 *
 * @param receipt what the file says of itself, or null for a file without metadata
 * @throws T2IError OPTION_INVALID, also where a JPEG is too small for the receipt of a very long prompt
 */
export async function encodeImage(
  pixels: Pixels,
  receipt: Receipt | null,
  options: EncodeOptions = {},
): Promise<Uint8Array> {
  refuse(checkFields(options, { format: oneOf(IMAGE_FORMATS), quality: integer(1, 100) }));
  const { format = 'png', quality } = options;
  const { width, height } = pixels;
  const picture = (await loadSharp())(pixels.rgb, { raw: { width, height, channels: 3 } });
  if (format === 'png') {
    if (quality !== undefined) refuse([{ option: 'quality', expected: 'nothing with png', received: String(quality) }]);
    const png = await picture.png().toBuffer();
    return receipt === null ? png : insertPngChunks(png, pngMetadata(receipt));
  }
  if (receipt !== null) picture.withXmp(lossyXmp(receipt, format));
  return format === 'jpeg'
    ? picture.jpeg({ quality: quality ?? 90, chromaSubsampling: '4:4:4' }).toBuffer()
    : picture.webp({ quality: quality ?? 90 }).toBuffer();
}

/**
 * The pixels of a PNG, JPEG or WebP file.
 *
 * @throws T2IError IMAGE_INVALID where it cannot be decoded, is too large, or is not plain RGB
 */
export async function decodeImage(bytes: Uint8Array): Promise<Pixels> {
  const load = await loadSharp();
  const decoded = await load(bytes, { limitInputPixels: MAX_PIXELS, failOn: 'warning' })
    .raw()
    .toBuffer({ resolveWithObject: true })
    .catch((cause: Error) => {
      throw new T2IError('IMAGE_INVALID', `The picture cannot be decoded: ${cause.message}`, { cause });
    });
  const { width, height, channels } = decoded.info;
  if (channels !== 3) throw new T2IError('IMAGE_INVALID', `The picture has ${channels} channels; 3 were expected`);
  return { rgb: decoded.data, width, height };
}

const MAX_PIXELS = 4096 * 4096;

/** Chunks of a PNG that say how it was made; sharp would compress the XMP, where readers of the standard do not look for it. */
function pngMetadata(receipt: Receipt) {
  return [
    textChunk('parameters', writeParameters(receipt)),
    textChunk(RECEIPT_KEYWORD, serializeReceipt(receipt)),
    internationalTextChunk(XMP_KEYWORD, writeXmp(null)),
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

/** sharp takes a tenth of a second to load, so only the first picture that is encoded loads it. */
async function loadSharp(): Promise<typeof sharp> {
  return (await import('sharp')).default;
}
