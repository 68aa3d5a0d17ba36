import { existsSync } from 'node:fs';
import { type ErrorCode, T2IError } from '../../errors.js';
import { readReceipt } from '../../image/read-receipt.js';
import type { Receipt } from '../../image/receipt.js';
import type { Request } from '../../options.js';

/** What the system says of itself (too many open files, no permission) is no reason to draw again. */
const NOT_THAT_IMAGE: ReadonlySet<ErrorCode> = new Set(['IMAGE_INVALID', 'RECEIPT_MISSING', 'RECEIPT_INVALID']);

/** True where the file is there already and its receipt says that it is the picture of this request, seed and model. */
export async function isFinished(
  path: string,
  request: Request,
  seed: number,
  modelHashes: Readonly<Record<string, string>>,
): Promise<boolean> {
  if (!existsSync(path)) return false;
  try {
    return matches(await readReceipt(path), request, seed, modelHashes);
  } catch (error) {
    // Another picture, a damaged one or one without receipt: it is made again.
    if (T2IError.is(error) && NOT_THAT_IMAGE.has(error.code)) return false;
    throw error;
  }
}

function matches(receipt: Receipt, request: Request, seed: number, hashes: Readonly<Record<string, string>>): boolean {
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
    sameHashes(receipt.model.hashes, hashes)
  );
}

function sameHashes(a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>): boolean {
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => a[name] === b[name]);
}
