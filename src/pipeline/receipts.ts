import { type Plan, resolveSigmas } from '../diffusion/plan.js';
import { checkReceipt, hashArrays, RECEIPT_VERSION, type Receipt } from '../image/receipt.js';
import type { ModelDescription } from '../model/description.js';
import { optionsOfRequest, type Request, type RequestOptions } from '../options.js';
import { packageVersion } from './package-version.js';
import { planOptions } from './prepare-job.js';

/** What all images of one request share. */
export interface ReceiptSource {
  readonly request: Request;
  readonly plan: Plan;
  readonly model: Pick<ModelDescription, 'name' | 'hashes' | 'scheduler'>;
  readonly backend: Receipt['backend'];
}

/** What is of one image alone. */
export interface ReceiptImage {
  readonly seed: number;
  readonly noiseSha256: string;
  readonly rgb: Uint8Array;
}

/** The receipt of one image. */
export function makeReceipt(
  { request, plan, model, backend }: ReceiptSource,
  { seed, noiseSha256, rgb }: ReceiptImage,
): Receipt {
  const { prompt, negativePrompt, width, height, guidanceScale, sampler, sigmas, eta, steps } = request;
  const schedule = resolveSigmas(model.scheduler, planOptions(request));
  return {
    version: RECEIPT_VERSION,
    prompt,
    negativePrompt,
    seed,
    width,
    height,
    guidanceScale,
    plan: { sampler, sigmas, schedule, eta, steps, sha256: hashPlan(plan) },
    model: { name: model.name, hashes: model.hashes },
    backend: {
      name: backend.name,
      runtime: backend.runtime,
      ...(backend.engines && { engines: backend.engines }),
      ...(backend.precisions && { precisions: backend.precisions }),
    },
    sdk: packageVersion(),
    noiseSha256,
    rgbSha256: hashArrays(rgb),
  };
}

/**
 * The options that make the image of a receipt again: `generate(optionsOfReceipt(receipt))`.
 *
 * @throws T2IError RECEIPT_INVALID with every mistake in `issues`
 */
export function optionsOfReceipt(receipt: Receipt): RequestOptions {
  const { sampler, sigmas, eta, steps } = checkReceipt(receipt).plan;
  return optionsOfRequest({ ...receipt, sampler, sigmas, eta, steps, previewEvery: 0 }, receipt.seed);
}

/** Of every number of the plan; no clamp counts as 0, which no plan clamps to. */
export function hashPlan({ timesteps, rows, clip, initScale }: Plan): string {
  return hashArrays(timesteps, rows, Float32Array.of(clip ?? 0, initScale));
}
