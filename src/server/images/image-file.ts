import type { Raster } from '../../backends/backend.js';
import { encodeImage } from '../../image/encode.js';
import type { ImageFormat } from '../../image/formats.js';
import type { GeneratedImage } from '../../image/generated-image.js';

/** What an image is encoded as. */
export interface ImageFile {
  readonly format: ImageFormat;
  /** Quality of the lossy formats, 0 to 100. */
  readonly compression?: number | undefined;
}

export const mediaTypeOf = ({ format }: ImageFile) => `image/${format}`;

/** The bytes of an image's file, with its receipt. */
export function encodeFile(image: GeneratedImage, file: ImageFile): Promise<Uint8Array<ArrayBuffer>> {
  return image.toBuffer(file.format, { quality: qualityOf(file) });
}

/** The bytes of a preview: no image that was asked for, and without a receipt. */
export function encodePreview(raster: Raster, file: ImageFile): Promise<Uint8Array<ArrayBuffer>> {
  return encodeImage(raster, null, { format: file.format, quality: qualityOf(file) });
}

export const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64');

function qualityOf({ format, compression }: ImageFile): number | undefined {
  return format === 'png' || compression === undefined ? undefined : Math.max(1, compression);
}
