import type { Raster } from '../../backends/backend.js';
import { GeneratedImage } from '../../image/generated-image.js';
import { hashArrays, parseReceipt } from '../../image/receipt.js';
import { ForeignContent } from './order.js';

/** Width and height, each as four bytes, the lowest first. */
const HEADER = 8;
const MAX_SIDE = 65_535;

/** A preview as bytes. */
export function writeRaster({ width, height, rgb }: Raster): Buffer {
  const header = Buffer.alloc(HEADER);
  header.writeUInt32LE(width, 0);
  header.writeUInt32LE(height, 4);
  return Buffer.concat([header, rgb]);
}

/** @throws ForeignContent where the bytes are not those of such a size */
export function readRaster(bytes: Buffer): Raster {
  const [width, height] = bytes.length < HEADER ? [0, 0] : [bytes.readUInt32LE(0), bytes.readUInt32LE(4)];
  if (
    width < 1 ||
    height < 1 ||
    width > MAX_SIDE ||
    height > MAX_SIDE ||
    bytes.length !== HEADER + width * height * 3
  ) {
    throw new ForeignContent('A preview in Redis is damaged');
  }
  return { width, height, rgb: new Uint8Array(bytes.subarray(HEADER)) };
}

/**
 * An image from its pixels and its receipt, which must belong together.
 *
 * @throws ForeignContent
 */
export function readImage(rgb: Buffer, receiptJson: string, seed: number): GeneratedImage {
  let receipt: ReturnType<typeof parseReceipt>;
  try {
    receipt = parseReceipt(receiptJson);
  } catch (cause) {
    throw new ForeignContent('The receipt of an image in Redis is invalid', { cause });
  }
  const pixels = new Uint8Array(rgb);
  const belongs = pixels.length === receipt.width * receipt.height * 3 && hashArrays(pixels) === receipt.rgbSha256;
  if (!belongs || receipt.seed !== seed) throw new ForeignContent('An image in Redis is not that of its receipt');
  return new GeneratedImage(pixels, receipt);
}
