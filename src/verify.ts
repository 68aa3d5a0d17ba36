import { T2IInternalError } from './errors.js';
import { comparePixels, type PixelDifference } from './image/compare.js';
import { decodeImage } from './image/decode.js';
import type { Pixels } from './image/encode.js';
import type { GeneratedImage } from './image/generated-image.js';
import { isPng } from './image/png.js';
import { readImageBytes, readReceipt } from './image/read-receipt.js';
import { hashArrays, type Receipt } from './image/receipt.js';
import type { LoadOptions } from './options.js';
import { optionsOfReceipt } from './pipeline/receipts.js';
import { Pipeline } from './pipeline.js';

/**
 * How far a regenerated picture may be from the file and still count as the same.
 *
 * Plans and noise are the same bits on every machine, networks are not: other processors and runtimes round otherwise. `png` bounds
 * that: 16 of 255 levels at the worst pixel, 1 on average. JPEG and WebP lose detail when they are written; 25 dB is below what they
 * keep at quality 30, and far above what two seeds of one prompt have in common.
 */
export const TOLERANCE = { png: { maxAbs: 16, meanAbs: 1 }, lossy: { psnr: 25 } } as const;

/** What became of making a picture again. */
export interface Verification {
  /** `exact` is possible for PNG alone: every pixel is the same. */
  readonly verdict: 'exact' | 'within tolerance' | 'different';
  /** Largest difference of a channel of a pixel, 0 to 255; null, like the two below, where the pictures could not be compared. */
  readonly maxAbs: number | null;
  /** Mean difference over all channels and pixels, 0 to 255. */
  readonly meanAbs: number | null;
  /** Peak signal-to-noise ratio in decibels; Infinity where every pixel is the same. */
  readonly psnr: number | null;
  /** What was found, in sentences: why the verdict is not `exact`. */
  readonly reasons: readonly string[];
  readonly receipt: Receipt;
}

/**
 * Makes a picture again from its receipt and compares the two. What the receipt claims is not believed but checked: its model,
 * plan, noise and pixels.
 *
 * @param path a PNG, JPEG or WebP file
 * @param options the model and backend to use; the default model unless one is given, whatever the receipt names
 * @throws T2IError IO_FAILED, IMAGE_INVALID, RECEIPT_MISSING, RECEIPT_INVALID, and what `Pipeline.load` and `generate` throw
 */
export async function verifyImage(path: string, options: LoadOptions = {}): Promise<Verification> {
  const picture = await readPicture(path);
  await using pipeline = await Pipeline.load(options);
  // Awaited here: the pipeline is closed when this function is left.
  return await verifyWith(pipeline, picture, options.signal);
}

/** A picture file that was read, with what it says of itself. */
export interface PictureFile {
  readonly pixels: Pixels;
  readonly lossless: boolean;
  readonly receipt: Receipt;
}

/**
 * Reads a picture and its receipt.
 *
 * @throws T2IError IO_FAILED, IMAGE_INVALID, RECEIPT_MISSING, RECEIPT_INVALID
 */
export async function readPicture(path: string): Promise<PictureFile> {
  const bytes = await readImageBytes(path);
  const receipt = await readReceipt(bytes);
  return { pixels: await decodeImage(bytes), lossless: isPng(bytes), receipt };
}

/** As {@link verifyImage}, for a picture that was read and by a model that is loaded. */
export async function verifyWith(
  pipeline: Pipeline,
  picture: PictureFile,
  signal?: AbortSignal,
): Promise<Verification> {
  const { receipt } = picture;
  const otherModel = modelReasons(receipt, pipeline.model.hashes);
  if (otherModel.length > 0) return { ...NOT_COMPARED, reasons: otherModel, receipt };
  const { images } = await pipeline.generate({ ...optionsOfReceipt(receipt), signal });
  const [again] = images;
  if (!again) throw new T2IInternalError('The receipt gave no picture');
  return judge(picture, again);
}

const NOT_COMPARED = { verdict: 'different', maxAbs: null, meanAbs: null, psnr: null } as const;

/** Every file of the model that is not the one of the receipt. */
function modelReasons(receipt: Receipt, here: Readonly<Record<string, string>>): string[] {
  const there = receipt.model.hashes;
  const paths = [...new Set([...Object.keys(there), ...Object.keys(here)])].sort();
  const describe = (hash: string | undefined) => hash?.slice(0, 12) ?? 'no such file';
  const reasons = paths
    .filter((path) => there[path] !== here[path])
    .map((path) => `model: ${path} is ${describe(there[path])} in the receipt and ${describe(here[path])} here`);
  if (reasons.length === 0) return [];
  return [
    `model: the receipt names ${JSON.stringify(receipt.model.name)}; give that model to compare the pixels`,
    ...reasons,
  ];
}

function judge({ receipt, pixels, lossless }: PictureFile, again: GeneratedImage): Verification {
  const difference = comparePixels(pixels, again);
  if (difference === null) {
    const sizes = `${pixels.width}x${pixels.height} pixels, the receipt says ${again.width}x${again.height}`;
    return { ...NOT_COMPARED, reasons: [`size: the file has ${sizes}`], receipt };
  }
  const forged = forgeries(receipt, again.receipt);
  // A lossless file has the pixels that the receipt was written for, or was changed since.
  if (lossless && hashArrays(pixels.rgb) !== receipt.rgbSha256) {
    forged.push('pixels: not those that the receipt was written for');
  }
  const reasons = [...forged, ...observations(receipt, lossless, again.receipt, difference)];
  return { verdict: verdictOf(forged.length > 0, lossless, difference), ...difference, reasons, receipt };
}

/** Claims of the receipt that hold on every machine, and do not. */
function forgeries(receipt: Receipt, again: Receipt): string[] {
  const reasons: string[] = [];
  if (receipt.plan.sha256 !== again.plan.sha256) reasons.push('plan: not the one that the receipt was written for');
  if (receipt.noiseSha256 !== again.noiseSha256) reasons.push('noise: not that of the seed in the receipt');
  return reasons;
}

function observations(
  receipt: Receipt,
  lossless: boolean,
  again: Receipt,
  { maxAbs, meanAbs, psnr }: PixelDifference,
): string[] {
  const reasons: string[] = [];
  const runtimes = [receipt, again].map(({ backend }) => `${backend.name} (${backend.runtime})`);
  if (runtimes[0] !== runtimes[1]) reasons.push(`backend: ${runtimes[0]} in the receipt, ${runtimes[1]} here`);
  else reasons.push(...engineReasons(receipt.backend.engines, again.backend.engines));
  if (receipt.sdk !== again.sdk) reasons.push(`version: ${receipt.sdk} in the receipt, ${again.sdk} here`);
  if (receipt.rgbSha256 !== again.rgbSha256) reasons.push('pixels: made again, they are not those of the receipt');
  if (maxAbs > 0) {
    const numbers = `${maxAbs} levels at most, ${meanAbs.toFixed(3)} on average, ${psnr.toFixed(1)} dB`;
    reasons.push(`pixels: the file is apart from the picture made again by ${numbers}`);
  }
  if (!lossless) reasons.push('format: a lossy file can be within tolerance at best');
  return reasons;
}

/** Engines of one TensorRT may be built anew, and then round otherwise; a receipt without them says nothing. */
function engineReasons(there: Receipt['backend']['engines'], here: Receipt['backend']['engines']): string[] {
  if (there === undefined || here === undefined) return [];
  return Object.keys(here)
    .filter((network) => there[network] !== here[network])
    .map((network) => {
      const recorded = there[network]?.slice(0, 12) ?? 'not named';
      return `engine: ${network} is ${recorded} in the receipt and ${here[network]?.slice(0, 12)} here`;
    });
}

function verdictOf(
  forged: boolean,
  lossless: boolean,
  { maxAbs, meanAbs, psnr }: PixelDifference,
): Verification['verdict'] {
  if (forged) return 'different';
  if (lossless && maxAbs === 0) return 'exact';
  const near = lossless
    ? maxAbs <= TOLERANCE.png.maxAbs && meanAbs <= TOLERANCE.png.meanAbs
    : psnr >= TOLERANCE.lossy.psnr;
  return near ? 'within tolerance' : 'different';
}
