import type { ModelDescription } from '../../model/description.js';
import type { LoadOptions, NetworkName, NetworkReference, Session } from '../backend.js';
import { ProcessSession } from '../process/process-session.js';
import { TENSORRT_CHILD } from './child-calls.js';
import { engineCacheFolder } from './engines/cache-folder.js';
import { ensureEngines } from './engines/ensure-engines.js';
import { describeLibrary } from './libraries.js';
import type { Machine } from './machine.js';
import { nativeModel, openNative, type SessionRequest } from './open-native.js';
import { fallbackRefused } from './session.js';

/** A session on engines of the cache, in this process or in one of its own. @throws as `Backend.open` */
export async function openSession(
  reference: NetworkReference,
  model: ModelDescription,
  machine: Machine,
  options: LoadOptions,
): Promise<Session> {
  const request = await prepare(reference, model, machine, options);
  options.signal?.throwIfAborted();
  if (options.isolation !== 'process') return openNative(machine.addon.addon, request);
  const { runtime, engines } = request.facts;
  // The child compares every engine with its hash in the read that it opens it from.
  const check = () => Promise.resolve();
  return ProcessSession.open(
    { kind: TENSORRT_CHILD, runtime: () => runtime, engines, load: request, check },
    options.signal,
  );
}

/** Sees to it that there are engines, and writes down all that a session is opened from. */
async function prepare(
  reference: NetworkReference,
  model: ModelDescription,
  { addon, device, library }: Machine,
  { onProgress, signal, strict = false }: LoadOptions,
): Promise<SessionRequest> {
  const { engines } = await ensureEngines({
    model,
    addon,
    library,
    device,
    computeCapabilities: [],
    profile: null,
    dir: engineCacheFolder(),
    timingCache: null,
    reference,
    signal: signal ?? new AbortController().signal,
    onProgress: onProgress ?? (() => {}),
  });
  const { textEncoder, unet, vaeDecoder } = engines;
  const warnings = [textEncoder, unet, vaeDecoder].flatMap((engine) => engine.warnings);
  if (strict && warnings.length > 0) throw fallbackRefused(warnings);
  const each = <T>(value: (engine: (typeof engines)[NetworkName]) => T): Record<NetworkName, T> => ({
    textEncoder: value(textEncoder),
    unet: value(unet),
    vaeDecoder: value(vaeDecoder),
  });
  return {
    device: device.index,
    library: library.path,
    files: each(({ path }) => path),
    model: nativeModel(model),
    facts: { runtime: describeLibrary(library), engines: each(({ header }) => header.plan.sha256), warnings, strict },
  };
}
