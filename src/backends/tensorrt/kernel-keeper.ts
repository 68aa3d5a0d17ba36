import type { Job, NetworkName } from '../backend.js';
import { NETWORKS } from './engines/components.js';
import { sha256 } from './engines/engine-file.js';
import { writeKernels } from './engines/kernel-cache.js';
import type { NativeRuntimeCaches, NativeSession } from './native.js';

/** Keeps what TensorRT-RTX compiles for the shapes of jobs, so that the next process need not compile it again. */
export class KernelKeeper {
  readonly #shapes = new Set<string>();
  readonly #kept: Partial<Record<NetworkName, string>> = {};
  #saving: Promise<void> = Promise.resolve();

  /**
   * @param files paths of the engine files
   * @param hashes SHA-256 in hex of the engines
   * @param known what the session was opened with
   */
  constructor(
    private readonly native: NativeSession,
    private readonly files: Readonly<Record<NetworkName, string>>,
    private readonly hashes: Readonly<Record<NetworkName, string>>,
    known: NativeRuntimeCaches,
  ) {
    for (const network of NETWORKS) {
      const kernels = known[network];
      if (kernels !== null) this.#kept[network] = sha256(kernels);
    }
  }

  /**
   * To be called after each run; looks only where its shapes are new. What cannot be kept is compiled again.
   *
   * @param images of all jobs like this one that ran together
   */
  after({ latentHeight, latentWidth, guidance }: Job, images: number): void {
    const shape = [images, latentHeight, latentWidth, guidance !== null].join();
    if (this.#shapes.has(shape)) return;
    this.#shapes.add(shape);
    this.#saving = this.#saving.then(() => this.#save()).catch(() => {});
  }

  /** Resolves when everything is kept. */
  idle(): Promise<void> {
    return this.#saving;
  }

  async #save(): Promise<void> {
    const caches = await this.native.runtimeCaches();
    for (const network of NETWORKS) {
      const kernels = caches[network];
      if (kernels === null) continue;
      const hash = sha256(kernels);
      if (this.#kept[network] === hash) continue;
      await writeKernels(this.files[network], this.hashes[network], kernels);
      this.#kept[network] = hash;
    }
  }
}
