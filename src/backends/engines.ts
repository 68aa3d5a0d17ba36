import { T2IError } from '../errors.js';
import type { ModelDescription } from '../model/description.js';
import { describeModel } from '../model/layout.js';
import type { LoadOptions, NetworkName, Session } from './backend.js';
import { onnxruntimeReference } from './onnxruntime/reference.js';
import { loadAddon } from './tensorrt/addon.js';
import { engineCacheFolder } from './tensorrt/engines/cache-folder.js';
import type { EngineOptions } from './tensorrt/engines/engine-options.js';
import {
  type BuildPreview,
  type EnsuredEngines,
  ensureEngines,
  prepareEngines,
  previewBuild,
  sourceHashes,
} from './tensorrt/engines/model-engines.js';
import type { EnsuredEngine } from './tensorrt/engines/network-engine.js';
import { defaultProfile, type EngineProfile } from './tensorrt/engines/profiles.js';
import { type PrunedFile, pruneEngines } from './tensorrt/engines/prune-engines.js';
import { findLibraries } from './tensorrt/inspect.js';
import { type RuntimeName, runtimeOf } from './tensorrt/libraries.js';
import { findDevice, findLibrary, findMachine, orThrow } from './tensorrt/machine.js';
import { openSession } from './tensorrt/open-session.js';

// What the command line asks of TensorRT and of the engine cache.
export { loadAddon } from './tensorrt/addon.js';
export { hasBf16 } from './tensorrt/capabilities.js';
export { engineCacheFolder } from './tensorrt/engines/cache-folder.js';
export { componentOf, NETWORKS } from './tensorrt/engines/components.js';
export { type CacheEntry, listEngines } from './tensorrt/engines/engine-cache.js';
export { verifyEngineFile } from './tensorrt/engines/engine-file.js';
export type { EngineHeader } from './tensorrt/engines/header.js';
export type { BuildPreview, EnsuredEngines } from './tensorrt/engines/model-engines.js';
export type { EnsuredEngine } from './tensorrt/engines/network-engine.js';
export { checkProfile, type EngineProfile } from './tensorrt/engines/profiles.js';
export type { PrunedFile } from './tensorrt/engines/prune-engines.js';
export { type Inspection, inspect, type Missing } from './tensorrt/inspect.js';
export {
  chooseLibrary,
  RUNTIMES,
  type RuntimeName,
} from './tensorrt/libraries.js';

/** What is to be built; everything may be left out. */
export interface BuildEnginesOptions extends Pick<LoadOptions, 'device' | 'tensorrtLibDir' | 'onProgress' | 'signal'> {
  /** The best that can build when absent. */
  readonly runtime?: RuntimeName | undefined;
  /** One to four images of the model's size when absent. */
  readonly profile?: EngineProfile | undefined;
  /** Ten times the compute capabilities to build for, with tensorrt-rtx, which then needs no GPU; the device's when absent. */
  readonly computeCapabilities?: readonly number[] | undefined;
  /** What an earlier build recorded. */
  readonly timingCache?: Uint8Array | null | undefined;
  /** Folder for the engines; the engine cache when absent. */
  readonly dir?: string | undefined;
}

/**
 * Builds the engines of a model that are not there yet; those that can run here are compared with onnxruntime.
 *
 * @throws as `ensureEngines`; BACKEND_UNAVAILABLE where nothing here can build them
 */
export async function buildEngines(
  model: ModelDescription,
  options: BuildEnginesOptions = {},
): Promise<EnsuredEngines> {
  return ensureEngines(await engineOptions(model, options));
}

/**
 * Builds one network's engine in a folder of its own, whatever the cache holds, and compares it with onnxruntime: a test of this machine.
 *
 * @param options `dir` is the folder
 * @throws as `buildEngines`
 */
export async function tryEngine(
  model: ModelDescription,
  network: NetworkName,
  options: BuildEnginesOptions & { readonly dir: string },
): Promise<EnsuredEngine> {
  const { networks } = await prepareEngines(await engineOptions(model, options));
  return networks[network].build(null);
}

/** Says what `buildEngines` would do; builds and writes nothing. */
export async function previewEngines(
  model: ModelDescription,
  options: BuildEnginesOptions = {},
): Promise<BuildPreview> {
  return previewBuild(await engineOptions(model, options));
}

/**
 * Opens a model on the GPU with each step queued by itself, to measure what the replay of a captured one saves.
 *
 * @throws as `Backend.open`
 */
export async function openEager(model: ModelDescription, options: LoadOptions): Promise<Session> {
  return openSession(onnxruntimeReference, model, orThrow(await findMachine(options)), { ...options, useGraph: false });
}

/**
 * Removes engines that nothing on this machine can use any more: damaged, of a TensorRT that is not here, of a model that has changed.
 *
 * @param options `models` are the folders of all models that are installed
 */
export async function pruneEngineCache(
  dir: string,
  { models, dryRun }: { readonly models: readonly string[]; readonly dryRun: boolean },
): Promise<readonly PrunedFile[]> {
  const libraries = await findLibraries();
  const installed = 'reason' in libraries ? [] : libraries.filter(({ problem }) => problem === null);
  return pruneEngines(dir, {
    installed: installed.map((library) => ({ runtime: runtimeOf(library), version: library.version })),
    models: (await Promise.all(models.map(graphsOf))).flat(),
    dryRun,
  });
}

async function engineOptions(model: ModelDescription, options: BuildEnginesOptions): Promise<EngineOptions> {
  const { computeCapabilities = [], device: index = 0 } = options;
  const ahead = computeCapabilities.length > 0;
  const addon = loadAddon();
  const found = findDevice(addon.addon, index);
  // Ahead of time a device is needed for nothing but the check.
  const device = 'reason' in found ? (ahead ? null : orThrow(found)) : found;
  const runtime = options.runtime ?? (ahead ? 'tensorrt-rtx' : undefined);
  const library = orThrow(
    await findLibrary(options.tensorrtLibDir, { runtime, mustBuild: true, device: ahead ? null : device }),
  );
  return {
    model,
    addon,
    library,
    device,
    computeCapabilities,
    profile: options.profile ?? defaultProfile(model),
    dir: options.dir ?? engineCacheFolder(),
    verifyEngines: true,
    timingCache: options.timingCache ?? null,
    reference: onnxruntimeReference,
    signal: options.signal ?? new AbortController().signal,
    onProgress: options.onProgress ?? (() => {}),
  };
}

/** What engines of a model may be built from; nothing where the folder holds no model that can be read. */
async function graphsOf(dir: string): Promise<{ name: string; onnx: string[] }[]> {
  try {
    const model = await describeModel(dir);
    return [{ name: model.name, onnx: await sourceHashes(model) }];
  } catch (error) {
    if (!T2IError.is(error) || error.code === 'INTERNAL') throw error;
    return [];
  }
}
