import type { Metadata } from 'sharp';
import { T2IError } from '../errors.js';
import { asBuffer } from './bytes.js';
import type { Pixels } from './encode.js';
import type { ImageFormat } from './formats.js';
import { isPng, readPngChunks } from './png.js';
import { loadSharp } from './sharp.js';
import { isWebp, readWebpChunks } from './webp.js';

const MAX_PIXELS = 4096 * 4096;

/** What the header of an image file says, read without decoding a pixel. */
export interface ImageHeader {
  readonly format: ImageFormat;
  /** Pixels. */
  readonly width: number;
  readonly height: number;
  /** True where the format keeps every pixel: PNG, and the lossless form of WebP. */
  readonly lossless: boolean;
  /** How many pixels share a colour in a JPEG. */
  readonly chromaSubsampling: '4:4:4' | '4:2:0';
  /** What makes a viewer show something else than the pixels, in words; empty where nothing does. */
  readonly shownOtherwise: readonly string[];
}

/**
 * Reads the header of a PNG, JPEG or WebP file; the cost does not depend on the size that it claims.
 *
 * @throws T2IError IMAGE_INVALID where it cannot be read, or claims more than 4096x4096 pixels
 */
export async function readImageHeader(bytes: Uint8Array): Promise<ImageHeader> {
  const metadata = await (await open(bytes)).metadata().catch(refuse);
  const { width, height, chromaSubsampling } = metadata;
  if (width * height > MAX_PIXELS) refuse(new Error(`${width}x${height} pixels are more than 4096x4096`));
  const file = asBuffer(bytes);
  return {
    format: isPng(file) ? 'png' : isWebp(file) ? 'webp' : 'jpeg',
    width,
    height,
    lossless: isPng(file) || (isWebp(file) && [...readWebpChunks(file)].some(({ type }) => type === 'VP8L')),
    chromaSubsampling: chromaSubsampling === '4:4:4' ? '4:4:4' : '4:2:0',
    shownOtherwise: shownOtherwise(file, metadata),
  };
}

/** Colour profiles are not among it: decoding applies them. */
function shownOtherwise(file: Buffer, { orientation = 1, pages = 1 }: Metadata): string[] {
  const reasons: string[] = [];
  if (orientation !== 1) reasons.push(`its EXIF has viewers turn or mirror it (orientation ${orientation})`);
  const animated = pages > 1 || (isPng(file) && [...readPngChunks(file)].some(({ type }) => type === 'acTL'));
  if (animated) reasons.push('it is an animation of several images');
  return reasons;
}

/** The pixels of a file, and whether all of them are opaque; transparency itself is dropped. */
export interface DecodedImage extends Pixels {
  readonly opaque: boolean;
}

/**
 * The pixels of a PNG, JPEG or WebP file, as a viewer shows them.
 *
 * @throws T2IError IMAGE_INVALID where it cannot be decoded or has more than 4096x4096 pixels
 */
export async function decodeImage(bytes: Uint8Array): Promise<DecodedImage> {
  const decoded = await (await open(bytes))
    .toColourspace('srgb')
    .raw()
    .toBuffer({ resolveWithObject: true })
    .catch(refuse);
  const { width, height, channels } = decoded.info;
  const pixels = channels === 4 ? withoutAlpha(decoded.data) : { rgb: decoded.data, opaque: true };
  return { ...pixels, width, height };
}

function withoutAlpha(rgba: Uint8Array): { rgb: Uint8Array; opaque: boolean } {
  const rgb = new Uint8Array((rgba.length / 4) * 3);
  let opaque = true;
  for (let from = 0, to = 0; from < rgba.length; from += 4, to += 3) {
    rgb[to] = rgba[from] as number;
    rgb[to + 1] = rgba[from + 1] as number;
    rgb[to + 2] = rgba[from + 2] as number;
    if (rgba[from + 3] !== 255) opaque = false;
  }
  return { rgb, opaque };
}

async function open(bytes: Uint8Array) {
  return (await loadSharp())(bytes, { limitInputPixels: MAX_PIXELS, failOn: 'warning' });
}

function refuse(cause: Error): never {
  throw new T2IError('IMAGE_INVALID', `The image cannot be decoded: ${cause.message}`, { cause });
}
