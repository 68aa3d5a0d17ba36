import type { Job } from '../backends/backend.js';
import { guidanceEmbedding } from '../diffusion/guidance-embedding.js';
import { noiseLength } from '../diffusion/noise.js';
import { createPlan, type Plan, type PlanOptions, type SamplerName } from '../diffusion/plan.js';
import { refuse } from '../fields.js';
import type { ModelDescription } from '../model/description.js';
import type { Request } from '../options.js';
import type { ClipTokenizer } from '../text/clip-tokenizer.js';
import { usesGuidance } from './guidance.js';
import { type EncodedTexts, type Warning, warningsOf } from './warnings.js';

/** Most bytes of noise that one request may take for a GPU, beside which all of it lies in memory; only samplers that add noise at each step come near. */
const MAX_NOISE = 1 << 30;

/**
 * Turns a request into the pure data that a backend runs.
 *
 * @throws T2IError OPTION_INVALID where the noise of so many images and steps does not fit in memory
 */
export function prepareJob(
  request: Request,
  model: ModelDescription,
  tokenizer: ClipTokenizer,
): { job: Job; warnings: Warning[] } {
  const { prompt, negative, warnings } = encodeTexts(request, model, tokenizer);
  const { guidanceWidth } = model;
  const plan = planOf(request, model);
  const latentHeight = request.height / model.vaeFactor;
  const latentWidth = request.width / model.vaeFactor;
  const latentSize = model.latentChannels * latentHeight * latentWidth;
  refuseTooMuchNoise(request, plan, latentSize);
  const job: Job = {
    promptIds: prompt.ids,
    guidance: negative && { scale: request.guidanceScale, negativeIds: negative.ids },
    guidanceEmbedding: guidanceWidth === null ? null : guidanceEmbedding(request.guidanceScale, guidanceWidth),
    plan,
    latentHeight,
    latentWidth,
    previewEvery: request.previewEvery,
    seeds: request.seeds,
  };
  return { job, warnings };
}

/** The texts of a request as the model reads them, and what to warn of: all that can be told of a request without a plan. */
export function encodeTexts(
  request: Request,
  { guidanceWidth, manifest }: Pick<ModelDescription, 'guidanceWidth' | 'manifest'>,
  tokenizer: ClipTokenizer,
): EncodedTexts & { readonly warnings: Warning[] } {
  const distilled = guidanceWidth !== null;
  const guided = !distilled && usesGuidance(request);
  const texts: EncodedTexts = {
    prompt: tokenizer.encode(request.prompt),
    negative: guided ? tokenizer.encode(request.negativePrompt) : null,
    distilled,
  };
  return { ...texts, warnings: warningsOf(request, texts, manifest?.words) };
}

/** @throws T2IError OPTION_INVALID where the model's schedule and the sampler do not go together */
export function planOf(request: Request, { scheduler }: Pick<ModelDescription, 'scheduler'>): Plan {
  return createPlan(scheduler, planOptions(request));
}

/** What of a request decides its plan. */
export function planOptions({ sampler, steps, sigmas, eta }: Request): PlanOptions {
  return { sampler: sampler as SamplerName, steps, sigmas: sigmas ?? undefined, eta: eta ?? undefined };
}

function refuseTooMuchNoise({ seeds, sampler, steps }: Request, plan: Plan, latentSize: number): void {
  const bytes = noiseLength(plan, latentSize) * Float32Array.BYTES_PER_ELEMENT;
  const fit = Math.floor(MAX_NOISE / bytes);
  if (seeds.length <= fit) return;
  const expected = `at most ${fit} images of this size with ${steps} steps of ${sampler}, which adds noise at each`;
  refuse([{ option: 'n', expected, received: String(seeds.length) }]);
}
