import { T2IError } from '../errors.js';
import { type DecodedImage, decodeImage, type ImageHeader, readImageHeader } from '../image/decode.js';
import { namingFile, readImageBytes, receiptIn } from '../image/read-receipt.js';
import type { Receipt } from '../image/receipt.js';

/**
 * Work that `verify` does without being asked: 1024x1024 pixels with 64 steps. It is counted in pixels times steps, and fewer steps
 * than 64 count as 64, because the memory goes with the pixels alone.
 */
export const DEFAULT_MAX_WORK = 2 ** 26;
const LEAST_STEPS = 64;

/** An image file that was read, with what it says of itself. */
export interface ImageFile {
  readonly bytes: Uint8Array;
  readonly receipt: Receipt;
  readonly header: ImageHeader;
  /** Null where the file has another size than its receipt says, so that no pixel needs decoding. */
  readonly pixels: DecodedImage | null;
}

/**
 * Reads an image and its receipt. What it claims is held against the budget before a pixel is decoded.
 *
 * @param source path of the file, or its bytes
 * @throws T2IError OPTION_INVALID, IO_FAILED, IMAGE_INVALID, RECEIPT_MISSING, RECEIPT_INVALID, BUDGET_EXCEEDED
 */
export async function readImage(source: string | Uint8Array, maxWork = DEFAULT_MAX_WORK): Promise<ImageFile> {
  const bytes = await readImageBytes(source);
  return namingFile(source, () => lookInto(bytes, maxWork));
}

async function lookInto(bytes: Uint8Array, maxWork: number): Promise<ImageFile> {
  const receipt = receiptIn(bytes);
  const header = await readImageHeader(bytes);
  const { width, height } = receipt;
  if (header.width !== width || header.height !== height) return { bytes, receipt, header, pixels: null };
  refuseTooMuchWork(receipt, maxWork);
  return { bytes, receipt, header, pixels: await decodeImage(bytes) };
}

function refuseTooMuchWork({ width, height, plan }: Receipt, maxWork: number): void {
  const work = width * height * Math.max(plan.steps, LEAST_STEPS);
  if (work <= maxWork) return;
  const steps = `${plan.steps} step${plan.steps === 1 ? '' : 's'}`;
  const counted = plan.steps < LEAST_STEPS ? `${steps}, counted as ${LEAST_STEPS}` : steps;
  throw new T2IError(
    'BUDGET_EXCEEDED',
    `The receipt asks for ${width}x${height} pixels times ${counted}: a work of ${work}, more than ${maxWork}`,
    { hint: `If you trust the image, allow it: --max-work ${work}, or the option maxWork.` },
  );
}
