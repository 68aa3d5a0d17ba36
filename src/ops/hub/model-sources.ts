import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { T2IError } from '../../errors.js';
import { cannotRead } from '../../files.js';
import { describeModel } from '../../model/layout.js';
import { METADATA_FILE } from '../promotion/records.js';
import { listFiles, listFolder } from '../transfer/tree.js';
import type { Source, Sources } from './sources.js';

const EXPORTED = 'onnx_models';
const MANIFEST = 't2i.json';
const INDEX = 'model_index.json';
const FOLDERS =
  /^(text_encoder|unet|vae|vae_decoder|vae_encoder|scheduler|tokenizer|feature_extractor|safety_checker)\//;

/**
 * The files of a promoted model as a repository of the Hub holds them: the ONNX graphs that this package runs and the safetensors that
 * diffusers loads side by side in one tree, so that OWNER/NAME is a model to both; with the card and the record of the run.
 *
 * @param folder of the promoted model, with `onnx_models/` and `diffuser/`
 * @throws T2IError MODEL_NOT_FOUND where nothing was exported, MODEL_INVALID where it is damaged; IO_FAILED; the signal's reason
 */
export async function modelSources(folder: string, signal: AbortSignal): Promise<Sources> {
  await refuseUnexported(folder);
  const exported = join(folder, EXPORTED);
  // What others are to run is what was exported, whole: its files have the hashes of the manifest.
  await describeModel(exported, signal);
  const sources = new Map<string, Source>();
  const weights = join(folder, 'diffuser');
  // Where both have a file, the exported one counts: it is that of the manifest, and says at least as much.
  for (const [from, paths] of [
    [weights, await listFolder(weights)],
    [exported, await listFiles(exported)],
  ] as const)
    for (const path of paths) sources.set(path, join(from, path));
  // That of the exported model names classes that diffusers has for ONNX alone.
  const index = join(weights, INDEX);
  if (await isThere(index)) {
    sources.set(INDEX, index);
    sources.set(MANIFEST, await manifestWith(join(exported, MANIFEST), index));
  }
  for (const name of ['README.md', METADATA_FILE])
    if (await isThere(join(folder, name))) sources.set(name, join(folder, name));
  return sources;
}

/** @throws T2IError MODEL_NOT_FOUND where the folder of a promoted model has no exported one */
export async function refuseUnexported(folder: string): Promise<void> {
  await stat(join(folder, EXPORTED, MANIFEST)).catch((cause: unknown) => {
    throw new T2IError('MODEL_NOT_FOUND', `There is no exported model in ${folder}`, {
      hint: 'Export it first: t2i export',
      cause,
    });
  });
}

/** Whether a file of the repository is one that a publication brings, so that it goes with those that are no longer part of it. */
export function isOfModel(path: string): boolean {
  return FOLDERS.test(path);
}

/** The run that a promoted model is of; null where no record says so. */
export async function runOf(folder: string): Promise<string | null> {
  try {
    const { run_name } = JSON.parse(await readFile(join(folder, METADATA_FILE), 'utf8')) as { run_name?: unknown };
    return typeof run_name === 'string' ? run_name : null;
  } catch {
    return null;
  }
}

/** What a tag is called after: the run, in letters that a tag may have. */
export function nameForTag(run: string | null): string {
  return run?.replace(/[^\w-]+/g, '-').replace(/^[^A-Za-z0-9]+/, '') || 'model';
}

/** The manifest with the hash of another index. */
async function manifestWith(path: string, index: string): Promise<Uint8Array<ArrayBuffer>> {
  const [manifest, bytes] = await Promise.all([contentOf(path), contentOf(index)]);
  // As `describeModel` found it.
  const json = JSON.parse(manifest.toString()) as { files: Record<string, string> };
  const hash = createHash('sha256').update(bytes).digest('hex');
  return Uint8Array.from(
    Buffer.from(`${JSON.stringify({ ...json, files: { ...json.files, [INDEX]: hash } }, null, 1)}\n`),
  );
}

async function isThere(path: string): Promise<boolean> {
  return (await stat(path).catch(() => null)) !== null;
}

async function contentOf(path: string): Promise<Buffer> {
  return readFile(path).catch((cause: unknown) => {
    throw cannotRead(path, cause);
  });
}
