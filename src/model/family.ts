import { isRecord } from '../fields.js';
import type { ModelFiles } from './model-files.js';
import { invalidModel } from './problems.js';

const INDEX = 'model_index.json';
const UNET_CONFIG = 'unet/config.json';
const HINT =
  'This version runs models with one CLIP text encoder and a UNet: Stable Diffusion 1.x and 2.x, and those trained from them.';

/** Families by the name of diffusers' pipeline class, whoever exported it. */
const BY_CLASS: readonly (readonly [className: RegExp, family: string])[] = [
  [/StableDiffusionXL/, 'Stable Diffusion XL (SDXL)'],
  [/StableDiffusion3/, 'Stable Diffusion 3'],
  [/Flux/, 'FLUX'],
  [/StableCascade|Wuerstchen/, 'Stable Cascade'],
  [/Kandinsky/, 'Kandinsky'],
  [/PixArt/, 'PixArt'],
];

/** Families by a part that Stable Diffusion 1.x and 2.x do not have, the most telling first. */
const BY_PART: readonly (readonly [part: string, family: string])[] = [
  ['text_encoder_3', 'Stable Diffusion 3'],
  ['transformer', 'a diffusion transformer (as Stable Diffusion 3 and FLUX are)'],
  ['text_encoder_2', 'Stable Diffusion XL (SDXL)'],
  ['tokenizer_2', 'Stable Diffusion XL (SDXL)'],
];

/**
 * Refuses models of a family that cannot run by the family's name, before their parts are compared with what they cannot match.
 * @throws T2IError MODEL_INVALID
 */
export async function checkFamily(files: ModelFiles): Promise<void> {
  const index = await glance(files, INDEX);
  const className = typeof index._class_name === 'string' ? index._class_name : '';
  const refuse = (where: string, family: string) => {
    throw invalidModel(where, 'a model like Stable Diffusion 1.x or 2.x', family, HINT);
  };
  for (const [pattern, family] of BY_CLASS) if (pattern.test(className)) refuse(`${INDEX}: _class_name`, family);
  for (const [part, family] of BY_PART) if (await files.has(part)) refuse(`${part}/`, family);
  // The refiner has a single text encoder, and the base model may have been exported without its index.
  const { addition_embed_type: added } = await glance(files, UNET_CONFIG);
  if (added === 'text_time') refuse(`${UNET_CONFIG}: addition_embed_type`, 'Stable Diffusion XL (SDXL)');
}

/** A JSON file that may be missing or damaged: that is told elsewhere, where the file decides anything. */
async function glance(files: ModelFiles, path: string): Promise<Record<string, unknown>> {
  const used = files.used.has(path);
  const json = (await files.has(path)) ? await files.json(path).catch(() => null) : null;
  if (!used) files.used.delete(path);
  return isRecord(json) ? json : {};
}
