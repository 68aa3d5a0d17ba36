import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { T2IError } from '../../../errors.js';
import type { EngineProgress, NetworkName } from '../../backend.js';
import { formatCapability, parseCapability, withoutBf16 } from '../capabilities.js';
import type { NativeBuildResult, NativeDevice } from '../native.js';
import { type Checker, checkEngine } from './check-engine.js';
import { componentOf } from './components.js';
import type { EngineCache } from './engine-cache.js';
import { type Engine, temporaryName, writeEngineFile } from './engine-file.js';
import type { EngineOptions } from './engine-options.js';
import { buildInChild } from './engine-process.js';
import type { EngineSource } from './engine-source.js';
import type { Accuracy, InputShapes } from './header.js';
import { estimateMemory, type MemoryEstimate, memoryWarning } from './memory.js';
import type { EngineProfile } from './profiles.js';
import type { EngineTarget } from './target.js';

/** TensorRT's own choice. */
export const WORKSPACE_BYTES = 0;

/** What the engines of one model have in common. */
export interface EngineScope {
  readonly options: EngineOptions;
  readonly cache: EngineCache;
  readonly target: EngineTarget;
  readonly profile: EngineProfile;
}

export interface BuildMemory {
  readonly memory: MemoryEstimate;
  /** What of it is short; null where the build fits. */
  readonly warning: string | null;
}

/** What is done for the engine of one network in child processes: builds and checks. */
export class EngineBuilder {
  constructor(
    private readonly network: NetworkName,
    private readonly scope: EngineScope,
  ) {}

  memory(source: EngineSource): BuildMemory {
    const device = this.#device;
    const memory = estimateMemory(source, { workspaceBytes: WORKSPACE_BYTES, device });
    const available = { hostBytes: process.availableMemory(), device };
    return { memory, warning: memoryWarning(componentOf(this.network), memory, available) };
  }

  /**
   * @param notes why it is built; that memory may be short is added to them
   * @throws as `buildInChild`; ENGINE_BUILD_FAILED for a graph in bf16 where a GPU to build for has none
   */
  async build(
    source: EngineSource,
    shapes: readonly InputShapes[],
    timingCache: Uint8Array | null,
    notes: string[],
  ): Promise<NativeBuildResult> {
    requireBf16(source, this.scope.target);
    const { addon, library, model, dir, signal } = this.scope.options;
    const { warning } = this.memory(source);
    if (warning) notes.push(warning);
    // Also whoever does not ask for the notes learns why he waits.
    this.report('build', 0, [`from ${source.file}`, ...notes].join('; '));
    return buildInChild(
      {
        library: library.path,
        device: this.#device?.index ?? null,
        onnx: source.path,
        profiles: shapes,
        computeCapabilities: this.#device === null ? this.scope.target.computeCapabilities : [],
        timingCache,
        workspaceBytes: WORKSPACE_BYTES,
      },
      {
        addon: addon.path,
        label: `${componentOf(this.network)} of ${model.name}`,
        dir,
        signal,
        onProgress: ({ fraction, phase, step, steps }) => this.report('build', fraction, `${phase} ${step}/${steps}`),
      },
    );
  }

  /** Whether what is built can run here, and there is something to compare it with. */
  get canCheck(): boolean {
    return this.#checker !== null;
  }

  /** Compares the engine in a file with its reference. To be called where that can be done. @throws as `checkEngine` */
  async check(source: EngineSource, path: string): Promise<Accuracy> {
    const { options, profile } = this.scope;
    this.report('check', 0, '');
    const accuracy = await checkEngine(options.model, source, { path, profile }, this.#checker as Checker);
    this.report('check', 1, '');
    return accuracy;
  }

  /** The same for an engine that has no file yet. It gets one under a temporary name, for nobody else may take it. */
  async checkUnpublished(source: EngineSource, engine: Engine): Promise<Accuracy> {
    const path = join(this.scope.options.dir, temporaryName(engine.header.component));
    try {
      await writeEngineFile(path, engine);
      return await this.check(source, path);
    } finally {
      await rm(path, { force: true });
    }
  }

  report(phase: EngineProgress['phase'], fraction: number, detail: string): void {
    this.scope.options.onProgress({ phase, network: this.network, fraction, detail });
  }

  /** The GPU that takes part in a build; null ahead of time. */
  get #device(): NativeDevice | null {
    return this.scope.target.gpu === null ? null : this.scope.options.device;
  }

  get #checker(): Checker | null {
    const { addon, library, device, reference, signal } = this.scope.options;
    if (device === null || reference === null) return null;
    const runs = this.scope.target.computeCapabilities.includes(parseCapability(device.computeCapability));
    return runs ? { addon: addon.path, library, device, reference, signal } : null;
  }
}

/** TensorRT would say it in words of its own, of its compiler or of a node without an implementation. */
function requireBf16({ network, file, precision }: EngineSource, { computeCapabilities }: EngineTarget): void {
  const lacking = precision === 'bf16' ? withoutBf16(computeCapabilities) : [];
  if (lacking.length === 0) return;
  const which = lacking.map(formatCapability).join(', ');
  throw new T2IError(
    'ENGINE_BUILD_FAILED',
    `${componentOf(network)}/${file} computes in bf16, which GPUs of compute capability ${which} do not have.`,
    { hint: 'Use a GPU of compute capability 8.0 (Ampere) or newer, or export the graph in fp16 or fp32.' },
  );
}
