import type { ModelDescription } from '../../../model/description.js';
import type { EngineProgress, NetworkName, NetworkReference } from '../../backend.js';
import type { LoadedAddon } from '../addon.js';
import { parseCapability } from '../capabilities.js';
import type { NativeDevice, NativeLibrary } from '../native.js';
import { componentOf } from './components.js';
import { type Candidate, EngineCache } from './engine-cache.js';
import { readEngineHeader, sha256, verifyEngineFile } from './engine-file.js';
import type { EngineIdentity, EngineWish } from './engine-key.js';
import { type EngineSource, engineSources } from './engine-source.js';
import type { InputShapes } from './header.js';
import { checkProfile, defaultProfile, type EngineProfile, inputShapes, profileOfDecoder } from './profiles.js';
import { type EngineTarget, targetOf } from './target.js';

/** TensorRT's own choice. */
export const WORKSPACE_BYTES = 0;

export interface EngineOptions {
  readonly model: ModelDescription;
  readonly addon: LoadedAddon;
  /** The TensorRT to build with and to run on. */
  readonly library: NativeLibrary;
  /** The GPU to run on; null on a machine without one, for engines that are built ahead of time. */
  readonly device: NativeDevice | null;
  /** Ten times those to build for, for example 89 for 8.9; with TensorRT-RTX only. Empty for the device. */
  readonly computeCapabilities: readonly number[];
  /**
   * What the engines must run: then those are taken that were built for exactly this, or built. Null takes whatever fits the model and
   * the device, that which was built last first, and builds for {@link defaultProfile} where nothing does.
   */
  readonly profile: EngineProfile | null;
  /** Folder of the cache; see `engineCacheFolder`. */
  readonly dir: string;
  /**
   * Whether the plans of engines of the cache are compared with their hashes too. False where whoever is given the files does that in
   * the read that it opens them from: they are gigabytes.
   */
  readonly verifyPlans: boolean;
  /** What earlier builds recorded: pins the choice of kernels. Its hash becomes part of what an engine is. */
  readonly timingCache: Uint8Array | null;
  /** What engines are compared with; null checks none. */
  readonly reference: NetworkReference | null;
  readonly signal: AbortSignal;
  readonly onProgress: (progress: EngineProgress) => void;
}

/** What is to be done for one model, decided before anything is built. */
export class EngineTask {
  private constructor(
    readonly options: EngineOptions,
    readonly cache: EngineCache,
    readonly target: EngineTarget,
    readonly profile: EngineProfile,
    private readonly sources: Readonly<Record<NetworkName, readonly EngineSource[]>>,
  ) {}

  /** @throws T2IError OPTION_INVALID, MODEL_INVALID */
  static async prepare(options: EngineOptions): Promise<EngineTask> {
    const { model, addon, library, device, computeCapabilities, timingCache, dir } = options;
    const target = targetOf(addon.addon, library, device, computeCapabilities, timingCache);
    const sources = {
      textEncoder: await engineSources(model, 'textEncoder'),
      unet: await engineSources(model, 'unet'),
      vaeDecoder: await engineSources(model, 'vaeDecoder'),
    };
    const cache = new EngineCache(dir, options.verifyPlans ? verifyEngineFile : readEngineHeader);
    if (options.profile !== null) checkProfile(options.profile, model);
    const profile = options.profile ?? (await usualProfile(model, cache, sources.vaeDecoder, target));
    return new EngineTask(options, cache, target, profile, sources);
  }

  /** The graphs to build from, the one to try first in front. */
  sourcesOf(network: NetworkName): readonly EngineSource[] {
    return this.sources[network];
  }

  /**
   * The engines of the cache that may be used, the one to take first in front: of a graph that is not the best only where the best was
   * tried, and of the exact profile only where one was asked for. The only place that decides it. Their plans are not checked.
   */
  async fitting(source: EngineSource): Promise<Candidate[]> {
    const [best] = this.sources[source.network];
    const exact = this.cache.pathOf(this.identity(source));
    return (await this.candidates(source)).filter(
      ({ path, header, reasons }) =>
        reasons.length === 0 &&
        (source === best || header.insteadOf === best?.sha256) &&
        (this.options.profile === null || path === exact),
    );
  }

  shapesOf(network: NetworkName): InputShapes[] {
    return inputShapes(this.options.model, network, this.profile);
  }

  identity(source: EngineSource): EngineIdentity {
    const { timingCache } = this.options;
    return {
      ...this.target,
      component: componentOf(source.network),
      onnx: { file: source.file, sha256: source.sha256 },
      precision: source.precision,
      shapes: this.shapesOf(source.network),
      flags: { workspaceBytes: WORKSPACE_BYTES, timingCache: timingCache && sha256(timingCache) },
    };
  }

  /** The engines of that network in the cache, each with what keeps it from being used. */
  candidates(source: EngineSource): Promise<Candidate[]> {
    return this.cache.candidates(wishOf(source, this.target, this.shapesOf(source.network)));
  }

  /** The GPU, where it can run what is built and there is something to compare with. */
  get checkable(): { readonly device: NativeDevice; readonly reference: NetworkReference } | null {
    const { device, reference } = this.options;
    if (device === null || reference === null) return null;
    const runs = this.target.computeCapabilities.includes(parseCapability(device.computeCapability));
    return runs ? { device, reference } : null;
  }
}

function wishOf(source: EngineSource, target: EngineTarget, shapes: InputShapes[] | null): EngineWish {
  return {
    ...target,
    component: componentOf(source.network),
    onnxSha256: source.sha256,
    precision: source.precision,
    shapes,
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
    const candidates = await cache.candidates(wishOf(source, target, null));
    const fitting = candidates.find(({ reasons }) => reasons.length === 0);
    if (fitting) return profileOfDecoder(model, fitting.header.shapes);
  }
  return defaultProfile(model);
}
