import { asBuffer } from '../image/bytes.js';
import { comparePixels } from '../image/compare.js';
import { decodeImage } from '../image/decode.js';
import { encodeLossy, type LossyEncoding, type Pixels } from '../image/encode.js';
import { jpegCoarseness } from '../image/jpeg.js';
import { vp8Coarseness } from '../image/vp8.js';
import { readWebpChunks } from '../image/webp.js';

/** An image as it looks after the encoding that a file went through. */
export interface EncodedAlike {
  readonly pixels: Pixels;
  /** 1 to 100, as found from the file. */
  readonly quality: number;
}

/** A lossy file as it was found. */
export interface LossyFile {
  readonly bytes: Uint8Array;
  readonly pixels: Pixels;
  readonly format: LossyEncoding['format'];
  readonly chromaSubsampling: LossyEncoding['chromaSubsampling'];
}

/**
 * Encodes an image as a JPEG or WebP file was encoded, and decodes it again. The quality is read from the file itself, whatever
 * its metadata claim: a claim could make the comparison milder.
 */
export async function encodeAlike(image: Pixels, file: LossyFile): Promise<EncodedAlike> {
  const candidates = file.format === 'jpeg' ? await jpegCandidates(file) : await webpCandidates(image, file);
  let best: EncodedAlike & { distance: number } = { quality: 0, pixels: image, distance: Infinity };
  for (const encoding of candidates) {
    const pixels = await decodeImage(await encodeLossy(image, encoding));
    const distance = comparePixels(pixels, file.pixels)?.meanAbs ?? Infinity;
    if (distance < best.distance) best = { quality: encoding.quality, pixels, distance };
    if (distance === 0) break;
  }
  return best;
}

/** The tables of a JPEG depend on the quality alone, so the smallest image will do to find it. */
async function jpegCandidates({ bytes, chromaSubsampling }: LossyFile): Promise<LossyEncoding[]> {
  const wanted = jpegCoarseness(asBuffer(bytes));
  const encodings = [false, true].map(async (mozjpeg) => {
    const encoding = { format: 'jpeg', chromaSubsampling, mozjpeg } as const;
    const coarseness = async (quality: number) =>
      jpegCoarseness(asBuffer(await encodeLossy(ONE_BLOCK, { ...encoding, quality })));
    return { ...encoding, quality: await findQuality(wanted, coarseness) };
  });
  return Promise.all(encodings);
}

/** A WebP encoder adapts to the image and may move its steps with the smallest change of it, so neighbours are tried as well. */
async function webpCandidates(image: Pixels, { bytes, chromaSubsampling }: LossyFile): Promise<LossyEncoding[]> {
  const encoding = { format: 'webp', chromaSubsampling } as const;
  const coarseness = async (quality: number) =>
    webpCoarseness(asBuffer(await encodeLossy(image, { ...encoding, quality })));
  const near = await findQuality(webpCoarseness(asBuffer(bytes)), coarseness);
  return [0, -1, 1, -2, 2, -3, 3]
    .map((step) => ({ ...encoding, quality: near + step }))
    .filter(({ quality }) => quality >= 1 && quality <= 100);
}

const ONE_BLOCK: Pixels = { rgb: new Uint8Array(8 * 8 * 3), width: 8, height: 8 };

/** The quality of 1 to 100 whose coarseness is closest; it falls as the quality rises. */
async function findQuality(wanted: number, coarseness: (quality: number) => Promise<number>): Promise<number> {
  let [low, high] = [1, 100];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if ((await coarseness(middle)) > wanted) low = middle + 1;
    else high = middle;
  }
  if (low === 1) return low;
  const [below, at] = [await coarseness(low - 1), await coarseness(low)];
  return below - wanted < Math.abs(wanted - at) ? low - 1 : low;
}

/** The mean quantiser index of a lossy WebP. */
function webpCoarseness(file: Buffer): number {
  for (const { type, body } of readWebpChunks(file)) if (type === 'VP8 ') return vp8Coarseness(body);
  return 0;
}
