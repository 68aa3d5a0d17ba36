import { type Issue, T2IError } from '../errors.js';
import type { GeneratedImage } from '../image/generated-image.js';
import { hashModel, type Receipt } from '../image/receipt.js';
import type { ModelDescription } from '../model/description.js';
import { parseRequest } from '../options.js';
import { limitsOf } from '../pipeline/limits.js';
import { planOf } from '../pipeline/prepare-job.js';
import { hashPlan, optionsOfReceipt } from '../pipeline/receipts.js';
import type { ImageFile } from './image-file.js';

/**
 * Everything that shows without drawing that the file cannot be the image of its receipt by this model, in sentences.
 *
 * @throws T2IError OPTION_INVALID where the receipt asks this very model for what it cannot do
 */
export function contradictions({ receipt, header, pixels }: ImageFile, model: ModelDescription): string[] {
  const reasons = modelReasons(receipt.model, model);
  if (reasons.length === 0) reasons.push(...planReasons(receipt, model));
  if (pixels === null) {
    const sizes = `${header.width}x${header.height} pixels, the receipt says ${receipt.width}x${receipt.height}`;
    reasons.push(`size: the file has ${sizes}`);
  }
  if (pixels?.opaque === false) reasons.push('channels: the file has transparent pixels');
  reasons.push(...header.shownOtherwise.map((reason) => `shown: ${reason}`));
  return reasons;
}

/** That it is another model, and every file of it that differs. */
function modelReasons(there: Receipt['model'], here: ModelDescription): string[] {
  const paths = [...new Set([...Object.keys(there.hashes), ...Object.keys(here.hashes)])].sort();
  const hashAt = (hashes: Receipt['model']['hashes'], path: string) =>
    Object.hasOwn(hashes, path) ? hashes[path] : undefined;
  const describe = (hash: string | undefined) => hash?.slice(0, 12) ?? 'no such file';
  const differing = paths.flatMap((path) => {
    const [recorded, found] = [hashAt(there.hashes, path), hashAt(here.hashes, path)];
    return recorded === found
      ? []
      : [`model: ${path} is ${describe(recorded)} in the receipt and ${describe(found)} here`];
  });
  if (differing.length === 0) return [];
  const named = ({ name, hashes }: Receipt['model']) => `${JSON.stringify(name)} (${hashModel(hashes).slice(0, 10)})`;
  return [
    `model: different model: the receipt names ${named(there)}, this is ${named(here)}; give that model to compare the pixels`,
    ...differing,
  ];
}

function planReasons(receipt: Receipt, model: ModelDescription): string[] {
  const plan = planOf(parseRequest(optionsOfReceipt(receipt), limitsOf(model)), model);
  if (hashPlan(plan) === receipt.plan.sha256) return [];
  return [
    `plan: not the one that the receipt was written for: ${receipt.plan.steps} steps of ${receipt.plan.sampler} have another`,
  ];
}

/** Claims that only show when the image is drawn again, and hold on every machine. */
export function forgeries(receipt: Receipt, again: GeneratedImage): string[] {
  return receipt.noiseSha256 === again.receipt.noiseSha256 ? [] : ['noise: not that of the seed in the receipt'];
}

const IN_PLAN: ReadonlySet<string> = new Set(['sampler', 'sigmas', 'eta', 'steps']);

/** An error of a request that was read from a receipt, as the receipt's; every other error as it is. */
export function asReceiptFault(error: unknown): unknown {
  if (!T2IError.is(error) || error.code !== 'OPTION_INVALID') return error;
  const issues: Issue[] = error.issues.map((issue) =>
    IN_PLAN.has(issue.option) ? { ...issue, option: `plan.${issue.option}` } : issue,
  );
  return new T2IError('RECEIPT_INVALID', `The receipt asks for what the model cannot do: ${error.message}`, {
    issues,
    hint: 'It was damaged, or written by another version.',
    cause: error,
  });
}
