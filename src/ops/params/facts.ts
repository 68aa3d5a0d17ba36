import { readdir, readFile } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import { isRecord } from '../../fields.js';
import type { ModelFacts } from './check.js';
import type { Params } from './schema.js';

/** Width of the states and longest text of encoders that are named rather than at hand. */
const KNOWN_ENCODERS: Readonly<Record<string, readonly [width: number, positions: number]>> = {
  'openai/clip-vit-large-patch14': [768, 77],
  'openai/clip-vit-base-patch16': [512, 77],
  'openai/clip-vit-base-patch32': [512, 77],
  'laion/CLIP-ViT-H-14-laion2B-s32B-b79K': [1024, 77],
};
const IMAGE = /\.(png|jpe?g|webp|bmp|tiff?)$/i;

/** Reads what the folders of a project say about its models and data; what is not at hand is left out. */
export async function factsOf(folder: string, params: Params): Promise<ModelFacts> {
  const at = (path: string) => (isAbsolute(path) ? path : join(folder, path));
  const [text, vae, names] = await Promise.all([
    readConfig(at(params.clip.model)),
    readConfig(at(params.vae.model)),
    readdir(join(at(params.data.raw), 'images')).catch(() => undefined),
  ]);
  const [knownWidth, knownPositions] = KNOWN_ENCODERS[params.clip.model] ?? [];
  const inner = isRecord(text?.text_config) ? text.text_config : text;
  const blocks = Array.isArray(vae?.block_out_channels) ? vae.block_out_channels.length : undefined;
  return {
    textWidth: number(inner?.hidden_size) ?? knownWidth,
    textPositions: number(inner?.max_position_embeddings) ?? knownPositions,
    vaeFactor: blocks === undefined ? undefined : 2 ** (blocks - 1),
    latentChannels: number(vae?.latent_channels),
    images: names?.filter((name) => IMAGE.test(name)).length,
  };
}

async function readConfig(folder: string): Promise<Record<string, unknown> | undefined> {
  try {
    const value: unknown = JSON.parse(await readFile(join(folder, 'config.json'), 'utf8'));
    return isRecord(value) ? value : undefined;
  } catch {
    // The stage that loads the model says what is wrong with it.
    return undefined;
  }
}

function number(value: unknown): number | undefined {
  return typeof value === 'number' ? value : undefined;
}
