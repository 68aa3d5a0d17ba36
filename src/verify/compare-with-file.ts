import { T2IInternalError } from '../errors.js';
import { comparePixels, type PixelDifference } from '../image/compare.js';
import type { ImageHeader } from '../image/decode.js';
import type { Pixels } from '../image/encode.js';
import { encodeAlike } from './encode-alike.js';
import { type Bounds, lossyBounds, TOLERANCE } from './tolerance.js';

export interface Comparison {
  /** Between the file and the image made again. */
  readonly direct: PixelDifference;
  /** Between the file and the image made again and encoded alike; null for a lossless file. */
  readonly encodedAlike: (PixelDifference & { readonly quality: number }) | null;
  /** What the one of the two that decides may be at most. */
  readonly bounds: Bounds;
}

/** Compares an image that was made again with the file: as it is, or after the encoding that the file went through. */
export async function compareWithFile(
  again: Pixels,
  file: { readonly bytes: Uint8Array; readonly header: ImageHeader; readonly pixels: Pixels },
): Promise<Comparison> {
  const { bytes, header, pixels } = file;
  const direct = difference(pixels, again);
  if (header.lossless || header.format === 'png') {
    return { direct, encodedAlike: null, bounds: TOLERANCE.lossless };
  }
  const { format } = header;
  const alike = await encodeAlike(again, { bytes, pixels, format, chromaSubsampling: header.chromaSubsampling });
  const apart = difference(pixels, alike.pixels);
  const bounds = lossyBounds(format, alike.quality, difference(alike.pixels, again));
  return { direct, encodedAlike: { ...apart, quality: alike.quality }, bounds };
}

function difference(a: Pixels, b: Pixels): PixelDifference {
  const compared = comparePixels(a, b);
  if (compared === null) throw new T2IInternalError('The images to compare have different sizes');
  return compared;
}
