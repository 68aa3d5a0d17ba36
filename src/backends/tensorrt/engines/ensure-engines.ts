import type { NetworkName } from '../../backend.js';
import { openCacheFolder } from './cache-folder.js';
import { NETWORKS } from './components.js';
import { EngineMaker, type EnsuredEngine } from './engine-maker.js';
import { type EngineOptions, EngineTask } from './engine-task.js';

export interface EnsuredEngines {
  readonly engines: Readonly<Record<NetworkName, EnsuredEngine>>;
  /** What the builds recorded, on top of the one they were given; null where nothing was built or the runtime has none. */
  readonly timingCache: Uint8Array | null;
}

/**
 * Sees to it that the cache holds an engine for each network of a model: takes those that fit, and builds the others in child
 * processes. An engine enters the cache only when it computes what the reference computes, or, where it cannot be run here, as one
 * that is not checked: the first use on a GPU then does. Two processes at once build each engine once.
 *
 * @throws T2IError OPTION_INVALID, MODEL_INVALID, BACKEND_UNAVAILABLE, ENGINE_BUILD_FAILED, ENGINE_INACCURATE, OUT_OF_MEMORY,
 *   IO_FAILED and what the reference throws; the signal's reason when aborted
 */
export async function ensureEngines(options: EngineOptions): Promise<EnsuredEngines> {
  options.signal.throwIfAborted();
  // First, for the hashes of a large model take long.
  await openCacheFolder(options.dir);
  const task = await EngineTask.prepare(options);
  const maker = new EngineMaker(task);
  const engines = {} as Record<NetworkName, EnsuredEngine>;
  for (const network of NETWORKS) {
    options.signal.throwIfAborted();
    engines[network] = await maker.ensure(network);
  }
  return { engines, timingCache: maker.recorded };
}
