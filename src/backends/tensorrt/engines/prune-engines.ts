import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { T2IError } from '../../../errors.js';
import type { RuntimeName } from '../libraries.js';
import { listEngines, removeEngine } from './engine-cache.js';
import { isTemporaryName } from './engine-file.js';
import type { EngineHeader } from './header.js';
import { NewerFormat } from './invalid-engine.js';

const DAY = 24 * 60 * 60 * 1000;

/** What is known about this machine; what is not known prunes nothing. */
export interface PruneOptions {
  /** Every TensorRT that is here. */
  readonly installed: readonly { readonly runtime: RuntimeName; readonly version: string }[];
  /** Models whose files are here, with the hashes of the graphs that engines of them may come from; see `sourceHashes`. */
  readonly models: readonly { readonly name: string; readonly onnx: readonly string[] }[];
  /** Only says what would go. */
  readonly dryRun: boolean;
}

export interface PrunedFile {
  readonly path: string;
  readonly bytes: number;
  readonly reason: string;
}

/**
 * Removes engines that no one can use any more: damaged ones, those of a TensorRT that is not here any more, those of models that
 * have changed, and what killed builds left behind more than a day ago.
 *
 * @throws T2IError IO_FAILED where one of them cannot be removed
 */
export async function pruneEngines(dir: string, options: PruneOptions): Promise<PrunedFile[]> {
  const stale: PrunedFile[] = await leftovers(dir);
  for (const entry of await listEngines(dir)) {
    const reason = 'damage' in entry ? damageOf(entry.damage) : staleReason(entry.header, options);
    if (reason !== null) stale.push({ path: entry.path, bytes: entry.bytes, reason });
  }
  if (!options.dryRun) for (const { path } of stale) await removeEngine(path);
  return stale;
}

/** A file that could not be read may be whole, and so may one that a newer version of this package wrote. */
function damageOf({ code, message, cause }: T2IError): string | null {
  return code === 'ENGINE_INVALID' && !(cause instanceof NewerFormat) ? message : null;
}

function staleReason({ runtime, tensorrt, model, onnx }: EngineHeader, options: PruneOptions): string | null {
  const versions = options.installed.filter((library) => library.runtime === runtime).map(({ version }) => version);
  if (versions.length > 0 && !versions.includes(tensorrt)) {
    return `it was built for ${runtime} ${tensorrt}, here is ${versions.join(' and ')}`;
  }
  const known = options.models.some(({ name }) => name === model);
  // Whatever it is called: models are renamed, and several may share a graph.
  if (known && !options.models.some((candidate) => candidate.onnx.includes(onnx.sha256))) {
    return `it was built from another ${onnx.file} than ${model} has now`;
  }
  return null;
}

async function leftovers(dir: string): Promise<PrunedFile[]> {
  const found: PrunedFile[] = [];
  for (const name of await readdir(dir).catch(() => [])) {
    if (!isTemporaryName(name) && !/^\w+-[0-9a-f]{64}\.lock$/.test(name)) continue;
    const path = join(dir, name);
    const info = await lstat(path).catch(() => null);
    if (info === null || Date.now() - info.mtimeMs < DAY) continue;
    found.push({ path, bytes: info.size, reason: 'a build that was killed left it behind' });
  }
  return found;
}
