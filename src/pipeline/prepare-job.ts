import { setImmediate } from 'node:timers/promises';
import type { ImageJob, Job } from '../backends/backend.js';
import { guidanceEmbedding } from '../diffusion/guidance-embedding.js';
import { usesGuidance } from '../diffusion/loop.js';
import { drawNoise, noisyRows } from '../diffusion/noise.js';
import { createPlan, type Plan, type SamplerName } from '../diffusion/plan.js';
import { refuse } from '../fields.js';
import type { ModelDescription } from '../model/description.js';
import type { Request } from '../options.js';
import type { ClipTokenizer } from '../text/clip-tokenizer.js';
import { type Warning, warningsOf } from './warnings.js';

/** Most bytes of noise that one request may take; only samplers that add noise at each step come near. */
const MAX_NOISE = 1 << 30;

/** A job but for its noise, which may be large. */
export interface JobDraft extends Omit<Job, 'images'> {
  readonly seeds: readonly number[];
  /** Numbers of one image's latents. */
  readonly latentSize: number;
}

/**
 * Turns a request into the pure data that a backend runs; the noise is left to {@link withNoise}.
 *
 * @throws T2IError OPTION_INVALID where the noise of so many pictures and steps does not fit in memory
 */
export function draftJob(
  request: Request,
  model: ModelDescription,
  tokenizer: ClipTokenizer,
): { draft: JobDraft; warnings: Warning[] } {
  const prompt = tokenizer.encode(request.prompt);
  const { guidanceWidth } = model;
  const distilled = guidanceWidth !== null;
  const guided = !distilled && usesGuidance(request.guidanceScale);
  const negative = guided ? tokenizer.encode(request.negativePrompt) : null;
  const plan = planOf(request, model);
  const latentHeight = request.height / model.vaeFactor;
  const latentWidth = request.width / model.vaeFactor;
  const latentSize = model.latentChannels * latentHeight * latentWidth;
  refuseTooMuchNoise(request, plan, latentSize);
  const draft: JobDraft = {
    promptIds: prompt.ids,
    negativeIds: negative?.ids ?? null,
    guidanceScale: request.guidanceScale,
    guidanceEmbedding: distilled ? guidanceEmbedding(request.guidanceScale, guidanceWidth) : null,
    plan,
    latentHeight,
    latentWidth,
    previewEvery: request.previewEvery,
    seeds: request.seeds,
    latentSize,
  };
  return { draft, warnings: warningsOf(request, { prompt, negative, distilled }) };
}

/**
 * Draws the noise of a job, in slices between which the caller's event loop goes on.
 *
 * @throws the signal's reason when aborted
 */
export async function withNoise({ seeds, latentSize, ...job }: JobDraft, signal: AbortSignal): Promise<Job> {
  const images: ImageJob[] = [];
  for (const seed of seeds) {
    const drawing = drawNoise(seed, latentSize, job.plan);
    let drawn = drawing.next();
    for (; !drawn.done; drawn = drawing.next()) {
      await setImmediate();
      signal.throwIfAborted();
    }
    images.push({ seed, noise: drawn.value });
  }
  return { ...job, images };
}

/** @throws T2IError OPTION_INVALID where the model's schedule and the sampler do not go together */
export function planOf(
  { sampler, steps, sigmas, eta }: Request,
  { scheduler }: Pick<ModelDescription, 'scheduler'>,
): Plan {
  return createPlan(scheduler, {
    sampler: sampler as SamplerName,
    steps,
    sigmas: sigmas ?? undefined,
    eta: eta ?? undefined,
  });
}

function refuseTooMuchNoise({ seeds, sampler, steps }: Request, plan: Plan, latentSize: number): void {
  const bytes = latentSize * (1 + noisyRows(plan)) * Float32Array.BYTES_PER_ELEMENT;
  const fit = Math.floor(MAX_NOISE / bytes);
  if (seeds.length <= fit) return;
  const expected = `at most ${fit} pictures of this size with ${steps} steps of ${sampler}, which adds noise at each`;
  refuse([{ option: 'n', expected, received: String(seeds.length) }]);
}
