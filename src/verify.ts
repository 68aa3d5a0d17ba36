import { type Issue, T2IInternalError } from './errors.js';
import { checkFields, describeValue, type Field, integer, refuse } from './fields.js';
import type { PixelDifference } from './image/compare.js';
import type { GeneratedImage } from './image/generated-image.js';
import { hashArrays, type Receipt } from './image/receipt.js';
import { LOAD_FIELDS, type LoadOptions } from './options.js';
import { optionsOfReceipt } from './pipeline/receipts.js';
import { Pipeline } from './pipeline.js';
import { asReceiptFault, contradictions, forgeries } from './verify/claims.js';
import { type Comparison, compareWithFile } from './verify/compare-with-file.js';
import { type ImageFile, readImage } from './verify/image-file.js';
import { observations } from './verify/observations.js';
import { exceeded } from './verify/tolerance.js';

export { TOLERANCE } from './verify/tolerance.js';

/** What became of making an image again. */
export interface Verification {
  /** `exact` is possible for PNG and lossless WebP alone: every pixel is the same. */
  readonly verdict: 'exact' | 'within tolerance' | 'different';
  /**
   * Largest difference between file and image made again, of a channel of a pixel, 0 to 255; null, like those below, where the two
   * could not be compared.
   */
  readonly maxAbs: number | null;
  /** Mean difference over all channels and pixels, 0 to 255. */
  readonly meanAbs: number | null;
  /** Largest mean difference of a block of 8x8 pixels, 0 to 255. */
  readonly blockMeanAbs: number | null;
  /** Peak signal-to-noise ratio in decibels; Infinity where every pixel is the same. */
  readonly psnr: number | null;
  /** For a JPEG or WebP, which changes every image: the difference from the image made again and encoded alike. It decides. */
  readonly encodedAlike: (PixelDifference & { readonly quality: number }) | null;
  /** What was found, in sentences: why the verdict is not `exact`. */
  readonly reasons: readonly string[];
  readonly receipt: Receipt;
}

/** How an image is verified: by a model that is loaded for it, or by an open pipeline. */
export interface VerifyOptions extends LoadOptions {
  /** An open pipeline, which stays open; of the options of a load only `signal` goes with it. Default: one is loaded and closed. */
  pipeline?: Pipeline | undefined;
  /**
   * Most work that the receipt may ask for, in pixels times steps, where fewer than 64 steps count as 64. Default: 67108864 (2^26),
   * which is 1024x1024 pixels with 64 steps.
   */
  maxWork?: number | undefined;
}

/**
 * Makes an image again from its receipt and compares the two. What the receipt claims is not believed but checked: its size, steps,
 * model and plan before anything is drawn, then its noise and pixels.
 *
 * @param source path of a PNG, JPEG or WebP file, or its bytes
 * @param options the model and backend to use, or an open pipeline; the default model unless one is given, whatever the receipt names
 * @throws T2IError OPTION_INVALID, IO_FAILED, IMAGE_INVALID, RECEIPT_MISSING, RECEIPT_INVALID (also where it asks for what the model
 *   cannot do), BUDGET_EXCEEDED, and what `Pipeline.load` and `generate` throw
 */
export async function verifyImage(
  source: string | Uint8Array,
  options: VerifyOptions | Pipeline = {},
): Promise<Verification> {
  const { pipeline, maxWork, ...load } = parseVerifyOptions(
    options instanceof Pipeline ? { pipeline: options } : options,
  );
  const image = await readImage(source, maxWork);
  if (pipeline) return verifyWith(pipeline, image, load.signal);
  await using own = await Pipeline.load(load);
  // Awaited here: the pipeline is closed when this function is left.
  return await verifyWith(own, image, load.signal);
}

const VERIFY_FIELDS: Record<keyof VerifyOptions, Field> = {
  ...LOAD_FIELDS,
  pipeline: { expected: 'an open Pipeline', accepts: (value) => value instanceof Pipeline },
  maxWork: integer(1, Number.MAX_SAFE_INTEGER, 'a whole number from 1, in pixels times steps'),
};

/**
 * Checks the options of `verifyImage`.
 *
 * @throws T2IError OPTION_INVALID with every mistake in `issues`
 */
export function parseVerifyOptions(options: VerifyOptions): VerifyOptions {
  const issues: Issue[] = checkFields(options, VERIFY_FIELDS);
  if (issues.length === 0 && options.pipeline !== undefined) {
    const { pipeline, maxWork, signal, ...load } = options;
    for (const [option, value] of Object.entries(load)) {
      if (value === undefined) continue;
      issues.push({ option, expected: 'nothing beside an open pipeline', received: describeValue(value) });
    }
  }
  refuse(issues);
  return options;
}

/**
 * As {@link verifyImage}, for a file that was read and by a model that is loaded.
 *
 * @throws T2IError RECEIPT_INVALID, and what `generate` throws
 */
export async function verifyWith(pipeline: Pipeline, image: ImageFile, signal?: AbortSignal): Promise<Verification> {
  const { receipt, pixels } = image;
  try {
    const reasons = contradictions(image, pipeline.model);
    if (reasons.length > 0 || pixels === null) return { ...NOT_COMPARED, reasons, receipt };
    const { images } = await pipeline.generate({ ...optionsOfReceipt(receipt), signal });
    const [again] = images;
    if (!again) throw new T2IInternalError('The receipt gave no image');
    return judge(image, again, await compareWithFile(again, { ...image, pixels }));
  } catch (error) {
    throw asReceiptFault(error);
  }
}

const NOT_COMPARED = {
  verdict: 'different',
  maxAbs: null,
  meanAbs: null,
  blockMeanAbs: null,
  psnr: null,
  encodedAlike: null,
} as const;

function judge({ receipt, header, pixels }: ImageFile, again: GeneratedImage, comparison: Comparison): Verification {
  const { direct, encodedAlike, bounds } = comparison;
  const wrong = forgeries(receipt, again);
  // A lossless file has the pixels that the receipt was written for, or was changed since.
  if (header.lossless && pixels && hashArrays(pixels.rgb) !== receipt.rgbSha256) {
    wrong.push('pixels: not those that the receipt was written for');
  }
  wrong.push(...exceeded(encodedAlike ?? direct, bounds).map((reason) => `pixels: ${reason}`));
  const exact = header.lossless && direct.maxAbs === 0;
  const verdict = wrong.length > 0 ? 'different' : exact ? 'exact' : 'within tolerance';
  const reasons = [...wrong, ...observations(receipt, again.receipt, comparison)];
  return { verdict, ...direct, encodedAlike, reasons, receipt };
}
