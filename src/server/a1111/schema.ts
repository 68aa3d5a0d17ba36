import { z } from 'zod';
import { MAX_SEED } from '../../diffusion/noise.js';
import { MAX_PROMPT_LENGTH } from '../../options.js';
import { wire } from '../http/wire.js';

/** The fields of `POST /sdapi/v1/txt2img` that decide an image here. */
export const TXT2IMG_FIELDS = {
  prompt: wire.text(MAX_PROMPT_LENGTH).nullish(),
  negative_prompt: wire.text(MAX_PROMPT_LENGTH).nullish(),
  seed: wire.integer(-1, MAX_SEED, `an integer from -1, which is random, to ${MAX_SEED}`).nullish(),
  steps: wire.integer(1, 1000).nullish(),
  cfg_scale: wire.number(0, 1000).nullish(),
  width: wire.integer(1, 4096).nullish(),
  height: wire.integer(1, 4096).nullish(),
  batch_size: wire.integer(1, 100).nullish(),
  n_iter: wire.integer(1, 100).nullish(),
  sampler_name: wire.text(100).nullish(),
  sampler_index: wire.text(100).nullish(),
  scheduler: wire.text(100).nullish(),
  eta: wire.number(0, 1).nullish(),
  override_settings: wire.record().nullish(),
};

/**
 * What would make another image than we make: refused unless it is off. Every other field that clients of that program send is about its files
 * and extensions, and passed over.
 */
export const NOT_HERE = [
  'enable_hr',
  'restore_faces',
  'tiling',
  'refiner_checkpoint',
  'firstpass_image',
  'init_images',
  'script_name',
  'subseed_strength',
  'styles',
  'alwayson_scripts',
] as const;

export const TXT2IMG_BODY = z.looseObject(TXT2IMG_FIELDS);

export const TXT2IMG_ANSWER = z.object({
  images: z.array(z.string()),
  parameters: z.record(z.string(), z.unknown()),
  info: z.string().describe('JSON.'),
});

export const PROGRESS_ANSWER = z.object({
  progress: z.number(),
  eta_relative: z.number(),
  state: z.object({
    skipped: z.boolean(),
    interrupted: z.boolean(),
    job: z.string(),
    job_count: z.int(),
    job_timestamp: z.string(),
    job_no: z.int(),
    sampling_step: z.int(),
    sampling_steps: z.int(),
  }),
  current_image: z.string().nullable(),
  textinfo: z.string().nullable(),
});

export const A1111_ERROR = z.object({ error: z.string(), detail: z.string(), body: z.string(), errors: z.string() });
