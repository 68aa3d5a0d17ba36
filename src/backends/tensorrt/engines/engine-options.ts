import type { ModelDescription } from '../../../model/description.js';
import type { EngineProgress, NetworkReference } from '../../backend.js';
import type { LoadedAddon } from '../addon.js';
import type { NativeDevice, NativeLibrary } from '../native.js';
import type { EngineProfile } from './profiles.js';

/** Which engines of a model are wanted, and what they are built with and kept in. */
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
   * Whether the engines of the cache are compared with their hashes too, not their headers alone. False where whoever is given the
   * files does that in the read that it opens them from: they are gigabytes.
   */
  readonly verifyEngines: boolean;
  /** What earlier builds recorded: pins the choice of kernels. Its hash becomes part of what an engine is. */
  readonly timingCache: Uint8Array | null;
  /** What engines are compared with; null checks none. */
  readonly reference: NetworkReference | null;
  readonly signal: AbortSignal;
  readonly onProgress: (progress: EngineProgress) => void;
}
