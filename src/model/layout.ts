import { basename, sep } from 'node:path';
import { parseSchedulerConfig } from '../diffusion/schedule.js';
import { readTextConfig, readUnetConfig, readVaeConfig } from './configs.js';
import { agree, SOURCES } from './consistency.js';
import type { ImageSize, ModelDescription, ModelWeights } from './description.js';
import { checkFamily } from './family.js';
import { hasGraphs, readGraphs } from './graphs.js';
import { checkHashes, type HashMemory, hashFiles } from './hashes.js';
import type { Manifest } from './manifest.js';
import { checkManifestSamplers } from './manifest-samplers.js';
import { ModelFiles } from './model-files.js';
import { Problems } from './problems.js';
import { readTokenizer } from './tokenizer.js';
import { hasTorchWeights, readTorchWeights } from './torch-weights.js';

const MANIFEST = 't2i.json';
const CLIP_CONTEXT = 77;
/** Sides of the latents that diffusers' ONNX pipelines assume where no file says it. */
const DEFAULT_SAMPLE_SIZE = { height: 64, width: 64 };

/**
 * Reads and checks a model directory without running anything of it and without writing: diffusers' layout with one
 * `model.onnx` in each of text_encoder/, unet/ and vae_decoder/, scheduler/scheduler_config.json, tokenizer/, and
 * optionally a config.json beside each graph (the autoencoder's also in vae/) and the manifest t2i.json.
 * With `wanted` of safetensors, the weights of PyTorch are read in place of the graphs, where the directory has them.
 * Hashes every file that decides the image, so it takes about a second for each gigabyte of weights that `memory` does not know.
 * @throws T2IError MODEL_NOT_FOUND, or MODEL_INVALID with everything that is wrong: files that are missing, damaged, reach
 *   outside the directory, contradict each other, or differ from the manifest's hashes; the signal's reason when aborted.
 */
export async function describeModel(
  dir: string,
  signal?: AbortSignal,
  memory?: HashMemory,
  wanted: ModelWeights = 'onnx',
): Promise<ModelDescription> {
  const files = await ModelFiles.open(dir);
  await checkFamily(files);
  const weights = await chooseWeights(files, wanted);
  const problems = new Problems();
  const manifest = (await files.has(MANIFEST)) ? await problems.collect(() => readManifest(files)) : null;
  files.used.delete(MANIFEST);
  const scheduler = await problems.collect(async () =>
    parseSchedulerConfig(await files.json('scheduler/scheduler_config.json')),
  );
  if (manifest && scheduler) checkManifestSamplers(manifest, scheduler, problems);
  const textConfig = await readTextConfig(files, problems);
  const unetConfig = await readUnetConfig(files, problems);
  const vaeConfig = await readVaeConfig(files, weights, problems);
  const configs = { text: textConfig, unet: unetConfig, vae: vaeConfig };
  const { textEncoder, unet, vaeDecoder, shared } =
    weights === 'onnx' ? await readGraphs(files, problems) : await readTorchWeights(files, configs, problems);
  const context = textEncoder?.ids.shape[1] ?? textConfig.contextLength ?? CLIP_CONTEXT;
  const text = await problems.collect(() => readTokenizer(files, context));
  const [contextLength, vocabSize] = [text?.tokenizer.contextLength ?? null, text?.tokenizer.vocabSize ?? null];
  const graphs = textEncoder && unet && vaeDecoder && { textEncoder, unet, vaeDecoder };
  const parts = { textConfig, unetConfig, vaeConfig, contextLength, vocabSize, sources: SOURCES[weights] };
  const agreed = graphs && agree({ ...graphs, ...parts }, problems);
  problems.throwIfAny();
  const { hashes, stamps } = await hashFiles(files, problems, signal, memory);
  checkHashes(hashes, manifest, shared, problems);
  problems.throwIfAny();
  return {
    dir: files.dir,
    name: manifest?.name ?? nameOf(files.dir),
    weights,
    ...graphs!,
    scheduler: scheduler!,
    tokenizer: text!.description,
    ...agreed!,
    scalingFactor: vaeConfig.scalingFactor,
    shiftFactor: vaeConfig.shiftFactor,
    nativeSize: agreed!.fixedSize ?? pixels(unetConfig.sampleSize ?? DEFAULT_SAMPLE_SIZE, agreed!.vaeFactor),
    sizeGranularity: agreed!.vaeFactor * 2 ** unetConfig.halvings,
    hashes,
    stamps,
    manifest,
  };
}

/**
 * Weights of PyTorch where they are wanted and whole, or there are no graphs that could be run in their place: then the error is about
 * them.
 */
async function chooseWeights(files: ModelFiles, wanted: ModelWeights): Promise<ModelWeights> {
  if (wanted === 'onnx' || (await hasTorchWeights(files))) return wanted;
  return (await hasGraphs(files)) ? 'onnx' : wanted;
}

function pixels({ height, width }: typeof DEFAULT_SAMPLE_SIZE, factor: number): ImageSize {
  return { width: width * factor, height: height * factor };
}

/** Its schema, and the package that checks it, are loaded only where there is a manifest. */
async function readManifest(files: ModelFiles): Promise<Manifest> {
  const { parseManifest } = await import('./manifest.js');
  return parseManifest(await files.json(MANIFEST));
}

/** That of the folder; of a snapshot in the Hugging Face cache, whose folder is called after a commit, that of its repository. */
function nameOf(dir: string): string {
  const [repository, snapshots] = dir.split(sep).slice(-3);
  const [, name] = /^models--(.+)$/.exec(repository ?? '') ?? [];
  return name !== undefined && snapshots === 'snapshots' ? name.replace('--', '/') : basename(dir);
}
