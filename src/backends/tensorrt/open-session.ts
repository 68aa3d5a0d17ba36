import { T2IError } from '../../errors.js';
import type { ModelDescription } from '../../model/description.js';
import type { LoadOptions, NetworkName, NetworkReference, Session } from '../backend.js';
import { engineCacheFolder } from './engines/cache-folder.js';
import type { EngineOptions } from './engines/engine-options.js';
import { type EnsuredEngines, ensureEngines, previewBuild } from './engines/model-engines.js';
import { openIsolated } from './isolated-session.js';
import { describeLibrary } from './libraries.js';
import { findLibrary, type Machine } from './machine.js';
import { nativeModel, openNative, type SessionRequest } from './open-native.js';
import { fallbackRefused } from './session.js';

/** How a session is opened: what whoever loads a model says, and what the self-check does. */
export interface SessionOptions extends LoadOptions {
  /** False queues each step by itself, where otherwise a captured one is replayed. */
  readonly useGraph?: boolean;
}

/** A session on engines of the cache, in this process or in one of its own. @throws as `Backend.open` */
export async function openSession(
  reference: NetworkReference,
  model: ModelDescription,
  machine: Machine,
  options: SessionOptions,
): Promise<Session> {
  const wanted = await withAbleLibrary(engineOptions(reference, model, machine, options), options.tensorrtLibDir);
  try {
    return await open(wanted, await ensureEngines(wanted), options);
  } catch (error) {
    if (!T2IError.is(error) || error.code !== 'ENGINE_INVALID') throw error;
    // Perhaps an engine is damaged, which shows when it is read: such a one is built again.
    const engines = await ensureEngines({ ...wanted, verifyEngines: true });
    if (!Object.values(engines.engines).some(({ built }) => built)) throw error;
    return open(wanted, engines, options);
  }
}

function engineOptions(
  reference: NetworkReference,
  model: ModelDescription,
  { addon, device, library }: Machine,
  { onProgress, signal }: LoadOptions,
): EngineOptions & { readonly device: Machine['device'] } {
  return {
    model,
    addon,
    library,
    device,
    computeCapabilities: [],
    profile: null,
    dir: engineCacheFolder(),
    verifyEngines: false,
    timingCache: null,
    reference,
    signal: signal ?? new AbortController().signal,
    onProgress: onProgress ?? (() => {}),
  };
}

/** With another TensorRT where the one that was chosen has no engines of the model and cannot build them. */
async function withAbleLibrary<Options extends EngineOptions>(
  options: Options,
  tensorrtLibDir: string | undefined,
): Promise<Options> {
  if (options.library.canBuild) return options;
  const { engines } = await previewBuild(options);
  if (engines.every(({ present }) => present)) return options;
  const able = await findLibrary(tensorrtLibDir, { mustBuild: true, device: options.device });
  return 'reason' in able ? options : { ...options, library: able };
}

async function open(
  { model, addon, library, device }: ReturnType<typeof engineOptions>,
  { engines }: EnsuredEngines,
  { isolation, signal, strict = false, useGraph = true }: SessionOptions,
): Promise<Session> {
  const { textEncoder, unet, vaeDecoder } = engines;
  const warnings = [textEncoder, unet, vaeDecoder].flatMap((engine) => engine.warnings);
  if (strict && warnings.length > 0) throw fallbackRefused(warnings);
  const each = <T>(value: (engine: (typeof engines)[NetworkName]) => T): Record<NetworkName, T> => ({
    textEncoder: value(textEncoder),
    unet: value(unet),
    vaeDecoder: value(vaeDecoder),
  });
  const facts = {
    runtime: describeLibrary(library),
    engines: each(({ header }) => header.serialized.sha256),
    precisions: each(({ header }) => header.precision),
    warnings,
    strict,
  };
  const request: SessionRequest = {
    device: device.index,
    library: library.path,
    files: each(({ path }) => path),
    model: nativeModel(model),
    facts,
    useGraph,
  };
  signal?.throwIfAborted();
  return isolation === 'process' ? openIsolated(request, signal) : openNative(addon.addon, request);
}
