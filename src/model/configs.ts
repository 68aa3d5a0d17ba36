import { FieldReader } from '../diffusion/field-reader.js';
import { describeValue } from '../fields.js';
import type { ModelWeights } from './description.js';
import type { ModelFiles } from './model-files.js';
import type { Problems } from './problems.js';

const MOST_LEVELS = 8;
const LARGEST_SIDE = 65_536;

/** The autoencoder's configuration, in vae_decoder/ or vae/. */
export interface VaeConfig {
  readonly scalingFactor: number;
  readonly shiftFactor: number;
  /** 2 to the number of levels less one; null where no file says it. */
  readonly factor: number | null;
  readonly latentChannels: number | null;
}

/** The denoiser's configuration, in unet/. */
export interface UnetConfig {
  /** Sides of the latents the model was trained on. */
  readonly sampleSize: { readonly height: number; readonly width: number } | null;
  /** How often the denoiser halves the latents. */
  readonly halvings: number;
  readonly inChannels: number | null;
  readonly crossAttentionDim: number | null;
  /** Width of the guidance embedding. */
  readonly timeCondProjDim: number | null;
}

/** The text encoder's configuration, in text_encoder/. */
export interface TextConfig {
  readonly contextLength: number | null;
  readonly hiddenSize: number | null;
  readonly vocabSize: number | null;
}

/** Without a file: the factors of Stable Diffusion 1.x, which early ONNX exports leave out and diffusers assumes. */
export async function readVaeConfig(files: ModelFiles, weights: ModelWeights, problems: Problems): Promise<VaeConfig> {
  const beside = weights === 'onnx' && (await files.has('vae_decoder/config.json'));
  const path = beside ? 'vae_decoder/config.json' : 'vae/config.json';
  const config = await readConfig(files, path, problems);
  const unsupported = 'null: latents are scaled by one number';
  config.reader.oneOf('latents_mean', [null], unsupported);
  config.reader.oneOf('latents_std', [null], unsupported);
  const levels = config.length('block_out_channels');
  const result = {
    scalingFactor: config.reader.number('scaling_factor', 0.18215, 1e-6, 1e6),
    shiftFactor: config.reader.number('shift_factor', 0, -1e6, 1e6),
    factor: levels === null ? null : 2 ** (levels - 1),
    latentChannels: config.optional('latent_channels'),
  };
  problems.addAll(config.reader.issues);
  return result;
}

/** Without a file: four levels, as Stable Diffusion has. */
export async function readUnetConfig(files: ModelFiles, problems: Problems): Promise<UnetConfig> {
  const config = await readConfig(files, 'unet/config.json', problems);
  const result = {
    sampleSize: config.sides('sample_size'),
    halvings: (config.length('block_out_channels') ?? 4) - 1,
    inChannels: config.optional('in_channels'),
    crossAttentionDim: config.largest('cross_attention_dim'),
    timeCondProjDim: config.optional('time_cond_proj_dim'),
  };
  problems.addAll(config.reader.issues);
  return result;
}

export async function readTextConfig(files: ModelFiles, problems: Problems): Promise<TextConfig> {
  const config = await readConfig(files, 'text_encoder/config.json', problems);
  const result = {
    contextLength: config.optional('max_position_embeddings'),
    hiddenSize: config.optional('hidden_size'),
    vocabSize: config.optional('vocab_size'),
  };
  problems.addAll(config.reader.issues);
  return result;
}

async function readConfig(files: ModelFiles, path: string, problems: Problems) {
  const json = (await files.has(path)) ? await problems.collect(() => files.json(path)) : {};
  const reader = new FieldReader(json ?? {}, path);
  const fields = new Map(typeof json === 'object' && json !== null ? Object.entries(json) : []);
  /** A whole number or a list of them; null when absent, or wrong. */
  const numbers = (field: string, most: number, expected: string): number[] | null => {
    const value = fields.get(field);
    if (value == null) return null;
    if (!Array.isArray(value)) return [reader.integer(field, 1, 1, LARGEST_SIDE)];
    const whole = value.every((item) => Number.isInteger(item) && item >= 1 && item <= LARGEST_SIDE);
    if (whole && value.length > 0 && value.length <= most) return value;
    reader.issues.push({ option: `${path}: ${field}`, expected, received: describeValue(value) });
    return null;
  };
  return {
    reader,
    /** A whole number, or null when absent. */
    optional: (field: string) => (fields.get(field) == null ? null : reader.integer(field, 1, 1, 2 ** 24)),
    /** Entries of a list, or null when absent. */
    length: (field: string): number | null => {
      const value = fields.get(field);
      if (value == null) return null;
      if (Array.isArray(value) && value.length >= 1 && value.length <= MOST_LEVELS) return value.length;
      reader.issues.push({
        option: `${path}: ${field}`,
        expected: `a list of 1 to ${MOST_LEVELS}`,
        received: describeValue(value),
      });
      return null;
    },
    /** A whole number or the largest of a list, or null when absent. */
    largest: (field: string): number | null => {
      const found = numbers(field, MOST_LEVELS, `whole numbers from 1 to ${LARGEST_SIDE}`);
      return found === null ? null : Math.max(...found);
    },
    /** One whole number for both sides, or height and width, or null when absent. */
    sides: (field: string): { height: number; width: number } | null => {
      const found = numbers(field, 2, `whole numbers from 1 to ${LARGEST_SIDE}: one, or height and width`);
      if (found === null) return null;
      const [height, width = height] = found as [number, number?];
      return { height, width };
    },
  };
}
