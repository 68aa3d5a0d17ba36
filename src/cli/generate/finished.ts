import { existsSync } from 'node:fs';
import { type ErrorCode, T2IError } from '../../errors.js';
import { readReceipt } from '../../image/read-receipt.js';
import type { Receipt } from '../../image/receipt.js';
import type { Request } from '../../options.js';

/** What the system says of itself (too many open files, no permission) is no reason to draw again. */
const NOT_THAT_IMAGE: ReadonlySet<ErrorCode> = new Set(['IMAGE_INVALID', 'RECEIPT_MISSING', 'RECEIPT_INVALID']);

/** The image that a batch wants in a file. */
export interface WantedImage {
  readonly request: Request;
  readonly seed: number;
  readonly modelHashes: Readonly<Record<string, string>>;
  /** Whether it is to carry a receipt. */
  readonly metadata: boolean;
}

/**
 * True where the file is there already: its receipt says that it is the image of this request, seed and model, or it is an image
 * without receipt where none is wanted. Of the latter nothing tells what it shows.
 *
 * @throws T2IError IO_FAILED
 */
export async function isFinished(path: string, wanted: WantedImage): Promise<boolean> {
  if (!existsSync(path)) return false;
  try {
    const receipt = await readReceipt(path);
    return wanted.metadata && matches(receipt, wanted);
  } catch (error) {
    // Another image, or a damaged one: it is made again.
    if (!T2IError.is(error) || !NOT_THAT_IMAGE.has(error.code)) throw error;
    return !wanted.metadata && error.code === 'RECEIPT_MISSING';
  }
}

function matches(receipt: Receipt, { request, seed, modelHashes }: WantedImage): boolean {
  const { prompt, negativePrompt, width, height, guidanceScale, plan } = receipt;
  return (
    receipt.seed === seed &&
    prompt === request.prompt &&
    negativePrompt === request.negativePrompt &&
    width === request.width &&
    height === request.height &&
    guidanceScale === request.guidanceScale &&
    plan.sampler === request.sampler &&
    plan.steps === request.steps &&
    plan.sigmas === request.sigmas &&
    plan.eta === request.eta &&
    sameHashes(receipt.model.hashes, modelHashes)
  );
}

function sameHashes(a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>): boolean {
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => a[name] === b[name]);
}
