import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { T2IError } from '../../errors.js';
import { isRecord } from '../../fields.js';
import { cannotRead } from '../../files.js';
import { describeModel } from '../../model/layout.js';
import { listFiles } from '../transfer/tree.js';
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
    [weights, await filesIn(weights)],
    [exported, await listFiles(exported)],
  ] as const)
    for (const path of paths) sources.set(path, join(from, path));
  // That of the exported model names classes that diffusers has for ONNX alone.
  const index = await stat(join(weights, INDEX)).catch(() => null);
  if (index) sources.set(INDEX, join(weights, INDEX));
  if (index) sources.set(MANIFEST, await manifestWith(join(exported, MANIFEST), join(weights, INDEX)));
  for (const name of ['README.md', 'model_metadata.json'])
    if (await stat(join(folder, name)).catch(() => null)) sources.set(name, join(folder, name));
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

/** What a model is called after: its run, where there is a record of it. */
export async function runOf(sources: Sources): Promise<string> {
  const metadata = sources.get('model_metadata.json');
  const record: unknown = metadata === undefined ? null : parse(await contentOf(metadata));
  const run = isRecord(record) && typeof record.run_name === 'string' ? record.run_name : '';
  return run.replace(/[^\w-]+/g, '-').replace(/^[^A-Za-z0-9]+/, '') || 'model';
}

/** The manifest with the hash of another index. */
async function manifestWith(path: string, index: string): Promise<Uint8Array<ArrayBuffer>> {
  const [manifest, bytes] = await Promise.all([contentOf(path), contentOf(index)]);
  const json = parse(manifest) as { files?: Record<string, string> };
  const hash = createHash('sha256').update(bytes).digest('hex');
  return Uint8Array.from(
    Buffer.from(`${JSON.stringify({ ...json, files: { ...json.files, [INDEX]: hash } }, null, 1)}\n`),
  );
}

async function filesIn(folder: string): Promise<string[]> {
  return (await stat(folder).catch(() => null)) ? listFiles(folder) : [];
}

async function contentOf(source: Source): Promise<Buffer> {
  if (typeof source !== 'string') return Buffer.from(source);
  return readFile(source).catch((cause: unknown) => {
    throw cannotRead(source, cause);
  });
}

function parse(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString());
  } catch {
    return null;
  }
}
