import { T2IError } from '../../../errors.js';
import { withFileLock } from '../../../file-lock.js';
import type { NetworkName } from '../../backend.js';
import { type Component, componentOf } from './components.js';
import { type BuildMemory, EngineBuilder, type EngineScope, WORKSPACE_BYTES } from './engine-builder.js';
import type { CachedEngine } from './engine-cache.js';
import { readEngineFile, sealHeader, sha256 } from './engine-file.js';
import type { EngineIdentity, WantedEngine } from './engine-key.js';
import type { EngineSource } from './engine-source.js';
import { type EngineHeader, headerText, type InputShapes, type Precision } from './header.js';
import { inputShapes } from './profiles.js';
import type { EngineTarget } from './target.js';

/** An engine that can be used. */
export interface EnsuredEngine {
  /** Its file; `readEngineFile` gives the engine. */
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
  /** What the build recorded; null where there was none, or the runtime records nothing. */
  readonly timingCache: Uint8Array | null;
}

/** What would be done about one network. */
export interface EnginePreview extends BuildMemory {
  readonly component: Component;
  /** Where the engine lies, or would. */
  readonly path: string;
  /** Whether the cache has one that can be used. */
  readonly present: boolean;
  /** Graph in the component's folder that it is built from. */
  readonly from: string;
  readonly precision: Precision;
  /** What it would be built in where that turns out to be inaccurate, in this order. */
  readonly otherwise: readonly Precision[];
  /** What is worth knowing before it is built. */
  readonly notes: readonly string[];
  readonly shapes: readonly InputShapes[];
}

/** The engine of one network of a model: found in the cache, or built. */
export class NetworkEngine {
  /** Why engines were refused, where there was another graph to go on to. */
  readonly #refusals = new Map<EngineSource, string>();
  readonly #builder: EngineBuilder;

  /** @param sources the graphs to build from, the one to try first in front */
  constructor(
    private readonly network: NetworkName,
    readonly sources: readonly EngineSource[],
    private readonly scope: EngineScope,
  ) {
    this.#builder = new EngineBuilder(network, scope);
  }

  get shapes(): InputShapes[] {
    return inputShapes(this.scope.options.model, this.network, this.scope.profile);
  }

  /** Of what would be built from one of the sources. */
  identity(source: EngineSource): EngineIdentity {
    const { target, options } = this.scope;
    return {
      ...target,
      component: componentOf(this.network),
      onnx: { file: source.file, sha256: source.sha256 },
      precision: source.precision,
      shapes: this.shapes,
      flags: { workspaceBytes: WORKSPACE_BYTES, timingCache: options.timingCache && sha256(options.timingCache) },
    };
  }

  /**
   * The engine of the cache to use: one that fits, and whose file was checked.
   *
   * @param notes what was wrong with others is added to them
   * @param sources those that it may have been built from
   */
  async find(notes: string[], sources = this.sources): Promise<CachedEngine | null> {
    const { cache } = this.scope;
    for (const source of sources) {
      const fitting = await cache.fitting(this.#wanted(source));
      for (const { path } of fitting) {
        const found = await usable(() => cache.verify(path), notes);
        if (found) return found;
      }
      // What lies in its place and does not fit says why.
      if (fitting.length === 0) await usable(() => cache.find(this.identity(source)), notes);
    }
    return null;
  }

  /**
   * The engine of the cache, checked where it was not yet, or a new one, which others that want it wait for.
   *
   * @param timingCache what the builds before it recorded
   * @throws as `ensureEngines`
   */
  async ensure(timingCache: Uint8Array | null): Promise<EnsuredEngine> {
    const notes: string[] = [];
    const found = await this.#fromCache(notes);
    if (found) return found;
    const [best] = this.sources as [EngineSource];
    const lock = this.scope.cache.pathOf(this.identity(best)).replace(/\.engine$/, '.lock');
    const onWait = () => this.#builder.report('build', 0, 'another process builds it');
    return withFileLock(lock, { signal: this.scope.options.signal, onWait }, async () => {
      // Whoever had the lock before may have built it.
      return (await this.#fromCache([])) ?? this.build(timingCache, notes);
    });
  }

  /** Builds it, whatever the cache holds: from the best graph, or, where that gives an inaccurate one, from the next. */
  async build(timingCache: Uint8Array | null, notes: string[] = []): Promise<EnsuredEngine> {
    const [best] = this.sources as [EngineSource];
    const last = this.sources.at(-1) as EngineSource;
    await this.#noteMismatch(best, notes);
    for (const source of this.sources.slice(0, -1)) {
      if (this.#refusals.has(source)) continue;
      try {
        return await this.#buildFrom(source, timingCache, notes);
      } catch (error) {
        if (!isRefused(error, source)) throw error;
        this.#refusals.set(source, error.message);
      }
    }
    return this.#buildFrom(last, timingCache, notes);
  }

  /** What {@link ensure} would do; builds and writes nothing, and compares nothing with the reference. */
  async preview(): Promise<EnginePreview> {
    const [best] = this.sources as [EngineSource];
    const found = await this.find([]);
    return {
      component: componentOf(this.network),
      path: found?.path ?? this.scope.cache.pathOf(this.identity(best)),
      present: found !== null,
      from: found?.header.onnx.file ?? best.file,
      precision: found?.header.precision ?? best.precision,
      otherwise: found ? [] : this.sources.slice(1).map(({ precision }) => precision),
      notes: found ? [] : passedOverNotes(best),
      shapes: this.shapes,
      ...this.#builder.memory(best),
    };
  }

  #wanted(source: EngineSource): WantedEngine {
    const exactly = this.scope.options.profile === null ? null : this.identity(source);
    return { ...wantedEngine(source, this.sources, this.scope.target), shapes: this.shapes, exactly };
  }

  /** An engine of the cache that fits; one that turns out to be inaccurate is removed. */
  async #fromCache(notes: string[]): Promise<EnsuredEngine | null> {
    const last = this.sources.at(-1);
    for (const source of this.sources) {
      const found = await this.find(notes, [source]);
      if (found === null) continue;
      try {
        const { path, header } = await this.#checkFound(found, source, notes);
        const warnings = fallbackWarnings(header);
        return { path, header, built: false, warnings, notes, log: [], timingCache: null };
      } catch (error) {
        if (!isInaccurate(error)) throw error;
        await this.scope.cache.remove(found.path);
        if (source === last) throw error;
        this.#refusals.set(source, error.message);
      }
    }
    return null;
  }

  /** Checks an engine that was built where it could not be run, and keeps the result in its file. */
  async #checkFound(found: CachedEngine, source: EngineSource, notes: string[]): Promise<CachedEngine> {
    if (found.header.accuracy !== null || !this.#builder.canCheck) return found;
    const { header, serialized } = await readEngineFile(found.path);
    const checked = { ...header, accuracy: await this.#builder.check(source, found.path) };
    try {
      return await this.scope.cache.publish({ header: checked, serialized });
    } catch (error) {
      if (!T2IError.is(error) || error.code !== 'IO_FAILED') throw error;
      notes.push(`${checked.component}: the result of its check could not be kept: ${error.message}`);
      return { path: found.path, header: checked };
    }
  }

  async #buildFrom(source: EngineSource, given: Uint8Array | null, notes: string[]): Promise<EnsuredEngine> {
    const { cache, target, options } = this.scope;
    const insteadOf = betterThan(source, this.sources);
    const why = [...insteadOf.map((better) => this.#refusals.get(better)), source.passedOver];
    if (insteadOf.length === 0) notes.push(...passedOverNotes(source));
    const { serialized, timingCache, log } = await this.#builder.build(source, this.shapes, given, notes);
    const unsealed = {
      ...this.identity(source),
      ...target,
      model: headerText(options.model.name),
      fallback: insteadOf.length === 0 ? null : headerText(why.filter((reason) => reason).join(' ')),
      insteadOf: insteadOf.map(({ sha256 }) => sha256),
      accuracy: null,
      sdk: options.addon.addon.version,
    };
    const unchecked = { header: sealHeader(unsealed, serialized), serialized };
    const accuracy = this.#builder.canCheck ? await this.#builder.checkUnpublished(source, unchecked) : null;
    const { path, header } = await cache.publish({ header: { ...unchecked.header, accuracy }, serialized });
    if (accuracy === null)
      notes.push(`${header.component}: not checked, for it cannot be run here; the first use does`);
    return { path, header, built: true, warnings: fallbackWarnings(header), notes, log, timingCache };
  }

  /** Says why the nearest engine of the cache is not the one. */
  async #noteMismatch(source: EngineSource, notes: string[]): Promise<void> {
    const { cache, options } = this.scope;
    const others = (await cache.candidates(this.#wanted(source))).filter(
      ({ header, reasons }) => header.model === options.model.name && reasons.length > 0,
    );
    const [nearest] = others.sort((a, b) => a.reasons.length - b.reasons.length);
    if (nearest) {
      const { component } = nearest.header;
      notes.push(`${component}: built again, for the engine of the cache was ${nearest.reasons.join(' and ')}`);
    }
  }
}

/** One that was built from `source`, for any shapes. */
export function wantedEngine(
  source: EngineSource,
  sources: readonly EngineSource[],
  target: EngineTarget,
): WantedEngine {
  return {
    ...target,
    component: componentOf(source.network),
    onnxSha256: source.sha256,
    insteadOf: betterThan(source, sources).map(({ sha256 }) => sha256),
    precision: source.precision,
    shapes: null,
    exactly: null,
  };
}

/** The graphs that are tried before a source. */
function betterThan(source: EngineSource, sources: readonly EngineSource[]): readonly EngineSource[] {
  return sources.slice(0, sources.indexOf(source));
}

/** Why the best of the graphs that can be used is not the best of the folder. */
function passedOverNotes({ network, file, passedOver }: EngineSource): string[] {
  return passedOver === null ? [] : [`${componentOf(network)}: from ${file}, for ${passedOver}`];
}

/** Null where a file is damaged or cannot be read, with a note of it. */
async function usable<T>(find: () => Promise<T | null>, notes: string[]): Promise<T | null> {
  try {
    return await find();
  } catch (error) {
    if (!T2IError.is(error) || (error.code !== 'ENGINE_INVALID' && error.code !== 'IO_FAILED')) throw error;
    notes.push(error.message);
    return null;
  }
}

function fallbackWarnings({ component, precision, fallback }: EngineHeader): string[] {
  return fallback === null ? [] : [`${component}: runs in ${precision}, for ${fallback}`];
}

/** TensorRT has kernels in bf16 for fewer operators than in fp16 or fp32: what it cannot build is then a refusal too. */
function isRefused(error: unknown, { precision }: EngineSource): error is T2IError {
  return isInaccurate(error) || (precision === 'bf16' && T2IError.is(error) && error.code === 'ENGINE_BUILD_FAILED');
}

function isInaccurate(error: unknown): error is T2IError {
  return T2IError.is(error) && error.code === 'ENGINE_INACCURATE';
}
