import type { ModelDescription } from '../../../model/description.js';
import type { NetworkName } from '../../backend.js';
import { openCacheFolder } from './cache-folder.js';
import { NETWORKS } from './components.js';
import { EngineCache } from './engine-cache.js';
import { readEngineHeader, verifyEngineFile } from './engine-file.js';
import type { EngineOptions } from './engine-options.js';
import { type EngineSource, engineSources } from './engine-source.js';
import { type EnginePreview, type EnsuredEngine, NetworkEngine, wantedEngine } from './network-engine.js';
import { checkProfile, defaultProfile, type EngineProfile, profileOfDecoder } from './profiles.js';
import { type EngineTarget, targetOf } from './target.js';

export interface EnsuredEngines {
  readonly engines: Readonly<Record<NetworkName, EnsuredEngine>>;
  /** What the builds recorded, on top of the one they were given; null where nothing was built or the runtime has none. */
  readonly timingCache: Uint8Array | null;
}

/** What {@link ensureEngines} would do. */
export interface BuildPreview {
  readonly target: EngineTarget;
  readonly profile: EngineProfile;
  readonly engines: readonly EnginePreview[];
}

/** The engines of a model, decided before one is looked for. */
export interface ModelEngines {
  readonly target: EngineTarget;
  readonly profile: EngineProfile;
  readonly networks: Readonly<Record<NetworkName, NetworkEngine>>;
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
  const { networks } = await prepareEngines(options);
  const engines = {} as Record<NetworkName, EnsuredEngine>;
  let recorded: Uint8Array | null = null;
  for (const network of NETWORKS) {
    options.signal.throwIfAborted();
    const engine: EnsuredEngine = await networks[network].ensure(recorded ?? options.timingCache);
    recorded = engine.timingCache ?? recorded;
    engines[network] = engine;
  }
  return { engines, timingCache: recorded };
}

/** Says what {@link ensureEngines} would do; builds and writes nothing. @throws T2IError OPTION_INVALID, MODEL_INVALID */
export async function previewBuild(options: EngineOptions): Promise<BuildPreview> {
  const { networks, target, profile } = await prepareEngines(options);
  const engines: EnginePreview[] = [];
  for (const network of NETWORKS) engines.push(await networks[network].preview());
  return { target, profile, engines };
}

/** @throws T2IError OPTION_INVALID, MODEL_INVALID */
export async function prepareEngines(options: EngineOptions): Promise<ModelEngines> {
  const { model, addon, library, device, computeCapabilities, timingCache, dir } = options;
  const target = targetOf(addon.addon, library, device, computeCapabilities, timingCache);
  const sources = await sourcesOf(model, target.computeCapabilities);
  const cache = new EngineCache(dir, options.verifyEngines ? verifyEngineFile : readEngineHeader);
  if (options.profile !== null) checkProfile(options.profile, model);
  const profile = options.profile ?? (await usualProfile(model, cache, sources.vaeDecoder, target));
  const engineOf = (network: NetworkName) =>
    new NetworkEngine(network, sources[network], { options, cache, target, profile });
  const networks = {
    textEncoder: engineOf('textEncoder'),
    unet: engineOf('unet'),
    vaeDecoder: engineOf('vaeDecoder'),
  };
  return { target, profile, networks };
}

/** Hashes of every graph that engines of the model may be built from, as their headers hold them; for `pruneEngines`. */
export async function sourceHashes(model: ModelDescription): Promise<string[]> {
  const sources = Object.values(await sourcesOf(model, []));
  return sources.flat().map((source) => source.sha256);
}

async function sourcesOf(
  model: ModelDescription,
  computeCapabilities: readonly number[],
): Promise<Readonly<Record<NetworkName, readonly EngineSource[]>>> {
  return {
    textEncoder: await engineSources(model, 'textEncoder', computeCapabilities),
    unet: await engineSources(model, 'unet', computeCapabilities),
    vaeDecoder: await engineSources(model, 'vaeDecoder', computeCapabilities),
  };
}

/** That of the decoder that was built last and fits, so that the other networks are looked for with the same. */
async function usualProfile(
  model: ModelDescription,
  cache: EngineCache,
  sources: readonly EngineSource[],
  target: EngineTarget,
): Promise<EngineProfile> {
  for (const source of sources) {
    const [fitting] = await cache.fitting(wantedEngine(source, sources, target));
    if (fitting) return profileOfDecoder(model, fitting.header.shapes);
  }
  return defaultProfile(model);
}
