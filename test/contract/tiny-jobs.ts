import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Job } from '../../src/backends/backend.js';
import { guidanceEmbedding } from '../../src/diffusion/guidance-embedding.js';
import { createPlan, type SamplerName } from '../../src/diffusion/plan.js';
import type { ModelDescription } from '../../src/model/description.js';

/** An image of a tiny model that diffusers and onnxruntime made (trainer/fixtures.py). */
export interface ReferenceImage {
  readonly model: string;
  readonly seed: number;
  /** `ddim` where it is absent. */
  readonly sampler?: SamplerName;
  readonly steps: number;
  readonly guidanceScale: number;
  readonly latentSize: number;
  readonly promptIds: readonly number[];
  readonly negativeIds: readonly number[] | null;
  readonly width: number;
  readonly height: number;
  /** Base64. */
  readonly rgb: string;
}

export function fixture(name: string): string {
  return fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url));
}

/** What diffusers and onnxruntime made of the models in a folder of the fixtures. */
export function referenceImages(folder = '.'): ReferenceImage[] {
  return JSON.parse(readFileSync(fixture(`${folder}/reference-images.json`), 'utf8'));
}

export const REFERENCE_IMAGES = referenceImages();

/** "a red apple", and nothing, in the ids of the tiny tokenizer. */
const PROMPT = REFERENCE_IMAGES[0]?.promptIds as readonly number[];
const NEGATIVE = REFERENCE_IMAGES[0]?.negativeIds as readonly number[];

/** Ids of a prompt whose second word is the token `id`. */
export function tinyPrompt(id: number): number[] {
  return PROMPT.with(2, id);
}

export interface JobOptions {
  readonly seeds?: readonly number[];
  readonly steps?: number;
  readonly sampler?: SamplerName;
  /** Guidance is off at 1 and below. */
  readonly guidanceScale?: number;
  /** Side in latent pixels. */
  readonly latentSize?: number;
  readonly previewEvery?: number;
  readonly promptIds?: readonly number[];
  /** Not read without guidance. */
  readonly negativeIds?: readonly number[] | null;
}

export function tinyJob(model: ModelDescription, options: JobOptions = {}): Job {
  const { seeds = [7], steps = 2, sampler = 'ddim', guidanceScale = 5, latentSize = 4 } = options;
  const { promptIds = PROMPT, previewEvery = 0 } = options;
  const guided = guidanceScale > 1 && model.guidanceWidth === null;
  const plan = createPlan(model.scheduler, { sampler, steps });
  return {
    promptIds: Int32Array.from(promptIds),
    guidance: guided ? { scale: guidanceScale, negativeIds: Int32Array.from(options.negativeIds ?? NEGATIVE) } : null,
    guidanceEmbedding: model.guidanceWidth === null ? null : guidanceEmbedding(guidanceScale, model.guidanceWidth),
    plan,
    latentHeight: latentSize,
    latentWidth: latentSize,
    seeds,
    previewEvery,
  };
}
