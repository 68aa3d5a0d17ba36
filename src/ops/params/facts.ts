import { readdir, readFile, stat } from 'node:fs/promises';
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
/** OWNER/NAME, or the NAME of a repository from before there were owners. */
const HUB_NAME = /^[A-Za-z0-9][\w.-]*(\/[A-Za-z0-9][\w.-]*)?$/;
const IMAGE = /\.(png|jpe?g|webp|bmp|tiff?)$/i;

/**
 * Reads what the folders of a project say about its models and data; what is not at hand is left out.
 *
 * @param trains whether to count the images and to look for the models, too
 */
export async function factsOf(folder: string, params: Params, trains: boolean): Promise<ModelFacts> {
  const at = (path: string) => (isAbsolute(path) ? path : join(folder, path));
  const [text, vae, names, missing] = await Promise.all([
    readConfig(at(params.clip.model)),
    readConfig(at(params.vae.model)),
    trains ? readdir(join(at(params.data.raw), 'images')).catch(() => undefined) : undefined,
    trains ? missingModels(params, at) : undefined,
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
    missing,
  };
}

/** Folders of models that are not there, by the parameters that name them; what may be a name on the Hub is none. */
async function missingModels({ clip, vae, unet, evaluate }: Params, at: (path: string) => string) {
  const named = { 'clip.model': clip.model, 'vae.model': vae.model, 'evaluate.clip_model': evaluate.clip_model };
  const wanted = Object.entries(named).map(async ([option, name]) => {
    if (name === null || HUB_NAME.test(name)) return [];
    return (await stat(at(name)).catch(() => null))?.isDirectory() ? [] : [[option, name]];
  });
  const from = unet.init_from;
  const lacksUnet = from !== null && !(await hasUnet(at(from)));
  return Object.fromEntries([...(await Promise.all(wanted)).flat(), ...(lacksUnet ? [['unet.init_from', from]] : [])]);
}

/** Whether a folder has a UNet in diffusers' layout, which can be trained further. */
export async function hasUnet(folder: string): Promise<boolean> {
  return (await readConfig(join(folder, 'unet'))) !== undefined;
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
