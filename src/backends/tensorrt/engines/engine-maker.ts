import { join } from 'node:path';
import { T2IError } from '../../../errors.js';
import { withFileLock } from '../../../file-lock.js';
import type { EngineProgress, NetworkName } from '../../backend.js';
import { checkEngine } from './check-engine.js';
import { componentOf } from './components.js';
import type { CachedEngine } from './engine-cache.js';
import { type Engine, readEngineFile, sealHeader, temporaryName, writeEngineFile } from './engine-file.js';
import { buildInChild } from './engine-process.js';
import type { EngineSource } from './engine-source.js';
import { type EngineTask, WORKSPACE_BYTES } from './engine-task.js';
import { type Accuracy, type EngineHeader, headerText } from './header.js';
import { estimateMemory, memoryWarning } from './memory.js';

/** An engine that can be used. */
export interface EnsuredEngine {
  /** Its file; `readEngineFile` gives the plan. */
  readonly path: string;
  readonly header: EngineHeader;
  /** False where it came from the cache. */
  readonly built: boolean;
  /** Why it runs otherwise than it was meant to: the decoder in a higher precision. */
  readonly warnings: readonly string[];
  /** What is worth knowing: why an engine of the cache could not be used, that it is not checked, how much memory a build may take. */
  readonly notes: readonly string[];
  /** What TensorRT warned of during the build. */
  readonly log: readonly string[];
}

/** Finds or builds the engines of one model, one network after the other. */
export class EngineMaker {
  /** Graphs whose engine was inaccurate, with the reason, where there is another to build from. */
  readonly #refused = new Map<EngineSource, string>();
  #timingCache: Uint8Array | null;
  #built = false;

  constructor(private readonly task: EngineTask) {
    this.#timingCache = task.options.timingCache;
  }

  /** The timing cache after the builds; null where nothing was built. */
  get recorded(): Uint8Array | null {
    return this.#built ? this.#timingCache : null;
  }

  async ensure(network: NetworkName): Promise<EnsuredEngine> {
    const notes: string[] = [];
    const found = await this.#fromCache(network, notes);
    if (found) return found;
    const [source] = this.task.sourcesOf(network) as [EngineSource];
    const lock = this.task.cache.pathOf(this.task.identity(source)).replace(/\.engine$/, '.lock');
    const onWait = () => this.#report('build', network, 0, 'another process builds it');
    return withFileLock(lock, { signal: this.task.options.signal, onWait }, async () => {
      // Whoever had the lock before may have built it.
      return (await this.#fromCache(network, [])) ?? this.#build(network, notes);
    });
  }

  /** An engine of the cache that fits; one that turns out to be inaccurate is removed. */
  async #fromCache(network: NetworkName, notes: string[]): Promise<EnsuredEngine | null> {
    const sources = this.task.sourcesOf(network);
    for (const [index, source] of sources.entries()) {
      const found = await this.#find(source, notes);
      if (found === null) continue;
      try {
        const { path, header } = await this.#checkFound(found, source, notes);
        return { path, header, built: false, warnings: fallbackWarnings(header), notes, log: [] };
      } catch (error) {
        if (!isInaccurate(error)) throw error;
        await this.task.cache.remove(found.path);
        if (index === sources.length - 1) throw error;
        this.#refused.set(source, error.message);
      }
    }
    return null;
  }

  async #find(source: EngineSource, notes: string[]): Promise<CachedEngine | null> {
    const { cache } = this.task;
    const usable = async (find: () => Promise<CachedEngine | null>) => {
      try {
        return await find();
      } catch (error) {
        if (!T2IError.is(error) || (error.code !== 'ENGINE_INVALID' && error.code !== 'IO_FAILED')) throw error;
        notes.push(error.message);
        return null;
      }
    };
    const fitting = await this.task.fitting(source);
    for (const { path } of fitting) {
      const found = await usable(() => cache.verify(path));
      if (found) return found;
    }
    // What lies in its place and does not fit says why.
    if (fitting.length === 0) await usable(() => cache.find(this.task.identity(source)));
    return null;
  }

  /** Checks an engine that was built where it could not be run, and keeps the result in its file. */
  async #checkFound(found: CachedEngine, source: EngineSource, notes: string[]): Promise<CachedEngine> {
    if (found.header.accuracy !== null || this.task.checkable === null) return found;
    const { header, plan } = await readEngineFile(found.path);
    const checked = { ...header, accuracy: await this.#check(source, found.path) };
    try {
      return await this.task.cache.publish({ header: checked, plan });
    } catch (error) {
      if (!T2IError.is(error) || error.code !== 'IO_FAILED') throw error;
      notes.push(`${checked.component}: the result of its check could not be kept: ${error.message}`);
      return { path: found.path, header: checked };
    }
  }

  async #build(network: NetworkName, notes: string[]): Promise<EnsuredEngine> {
    const [best, next] = this.task.sourcesOf(network) as [EngineSource, EngineSource?];
    await this.#noteMismatch(best, notes);
    if (!this.#refused.has(best)) {
      try {
        return await this.#buildFrom(best, null, notes);
      } catch (error) {
        if (!isInaccurate(error) || next === undefined) throw error;
        this.#refused.set(best, error.message);
      }
    }
    return this.#buildFrom(next as EngineSource, best, notes);
  }

  /** @param refused the graph that `source` stands in for, null where it is the best */
  async #buildFrom(source: EngineSource, refused: EngineSource | null, notes: string[]): Promise<EnsuredEngine> {
    const { cache, target, options, checkable } = this.task;
    const { plan, timingCache, log } = await this.#run(source, notes);
    const unsealed = {
      ...this.task.identity(source),
      ...target,
      model: headerText(options.model.name),
      fallback: refused && headerText(this.#refused.get(refused) ?? ''),
      insteadOf: refused?.sha256 ?? null,
      accuracy: null,
      sdk: options.addon.addon.version,
    };
    const unchecked = { header: sealHeader(unsealed, plan), plan };
    const accuracy = checkable && (await this.#checkBuilt(source, unchecked));
    const { path, header } = await cache.publish({ header: { ...unchecked.header, accuracy }, plan });
    this.#built = true;
    this.#timingCache = timingCache ?? this.#timingCache;
    if (accuracy === null)
      notes.push(`${header.component}: not checked, for it cannot be run here; the first use does`);
    return { path, header, built: true, warnings: fallbackWarnings(header), notes, log };
  }

  #run(source: EngineSource, notes: string[]) {
    const { options, target } = this.task;
    const { addon, library, device, model, signal } = options;
    const component = componentOf(source.network);
    const onCard = target.gpu === null ? null : device;
    const memory = estimateMemory(source, { workspaceBytes: WORKSPACE_BYTES, device: onCard });
    const short = memoryWarning(component, memory, { hostBytes: process.availableMemory(), device: onCard });
    if (short) notes.push(short);
    // Also whoever does not ask for the notes learns why he waits.
    this.#report('build', source.network, 0, [`from ${source.file}`, ...notes].join('; '));
    return buildInChild(
      {
        library: library.path,
        device: onCard?.index ?? null,
        onnx: source.path,
        profiles: this.task.shapesOf(source.network),
        computeCapabilities: onCard === null ? target.computeCapabilities : [],
        timingCache: this.#timingCache,
        workspaceBytes: WORKSPACE_BYTES,
      },
      {
        addon: addon.path,
        label: `${component} of ${model.name}`,
        dir: options.dir,
        signal,
        onProgress: (progress) =>
          this.#report(
            'build',
            source.network,
            progress.fraction,
            `${progress.phase} ${progress.step}/${progress.steps}`,
          ),
      },
    );
  }

  /** Under a temporary name: nobody else may take an engine for good that is not. */
  async #checkBuilt(source: EngineSource, engine: Engine): Promise<Accuracy> {
    const path = join(this.task.options.dir, temporaryName(engine.header.component));
    try {
      await writeEngineFile(path, engine);
      return await this.#check(source, path);
    } finally {
      await this.task.cache.remove(path);
    }
  }

  async #check(source: EngineSource, path: string): Promise<Accuracy> {
    const { options, profile, checkable } = this.task;
    this.#report('check', source.network, 0, '');
    const { addon, library, signal } = options;
    const checker = { ...checkable!, addon: addon.path, library, signal };
    const accuracy = await checkEngine(options.model, source, { path, profile }, checker);
    this.#report('check', source.network, 1, '');
    return accuracy;
  }

  /** Says why the nearest engine of the cache is not the one. */
  async #noteMismatch(source: EngineSource, notes: string[]): Promise<void> {
    const { model } = this.task.options;
    const others = (await this.task.candidates(source)).filter(
      ({ header, reasons }) => header.model === model.name && reasons.length > 0,
    );
    const [nearest] = others.sort((a, b) => a.reasons.length - b.reasons.length);
    if (nearest) {
      const { component } = nearest.header;
      notes.push(`${component}: built again, for the engine of the cache was ${nearest.reasons.join(' and ')}`);
    }
  }

  #report(phase: EngineProgress['phase'], network: NetworkName, fraction: number, detail: string): void {
    this.task.options.onProgress({ phase, network, fraction, detail });
  }
}

function fallbackWarnings({ component, precision, fallback }: EngineHeader): string[] {
  return fallback === null ? [] : [`${component}: runs in ${precision}, for ${fallback}`];
}

function isInaccurate(error: unknown): error is T2IError {
  return T2IError.is(error) && error.code === 'ENGINE_INACCURATE';
}
