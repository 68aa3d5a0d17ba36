import { lstat, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { T2IError } from '../../../errors.js';
import { absolutePath } from '../../../files.js';
import type { Component } from './components.js';
import { type Engine, readEngineHeader, verifyEngineFile, writeEngineFile } from './engine-file.js';
import { type EngineIdentity, engineKey, mismatch, type WantedEngine } from './engine-key.js';
import type { EngineHeader } from './header.js';
import { invalidEngine } from './invalid-engine.js';
import { kernelCachePath } from './kernel-cache.js';

const NAME = /^(text_encoder|unet|vae_decoder)-[0-9a-f]{64}\.engine$/;

/** A file of the cache: its header, or why it cannot be used. */
export type CacheEntry =
  | { readonly path: string; readonly bytes: number; readonly modified: Date; readonly header: EngineHeader }
  | { readonly path: string; readonly bytes: number; readonly modified: Date; readonly damage: T2IError };

/** An engine of the cache. */
export interface CachedEngine {
  readonly path: string;
  readonly header: EngineHeader;
}

/** An engine whose header was read, and what keeps it from being used as wanted. */
export interface Candidate extends CachedEngine {
  readonly reasons: readonly string[];
}

/** One folder of engine files, each named by its component and key. Nothing is ever downloaded into it. */
export class EngineCache {
  readonly dir: string;

  /** @param read how much of a file is checked before it is given out */
  constructor(
    dir: string,
    private readonly read: (path: string) => Promise<EngineHeader> = verifyEngineFile,
  ) {
    this.dir = absolutePath(dir);
  }

  pathOf(identity: EngineIdentity): string {
    return join(this.dir, `${identity.component}-${engineKey(identity)}.engine`);
  }

  /**
   * The engine with exactly this identity.
   *
   * @returns null where there is none
   * @throws T2IError ENGINE_INVALID where the file is damaged or holds another engine
   */
  async find(identity: EngineIdentity): Promise<CachedEngine | null> {
    const path = this.pathOf(identity);
    return (await lstat(path).catch(() => null)) && this.verify(path);
  }

  /** @param path of a file in the cache @throws T2IError ENGINE_INVALID */
  async verify(path: string): Promise<CachedEngine> {
    const header = await this.read(path);
    if (this.pathOf(header) !== path) throw invalidEngine(path, 'its name is that of another engine');
    return { path, header };
  }

  /** Puts an engine into the cache, in place of the one with the same identity. @throws T2IError IO_FAILED */
  async publish(engine: Engine): Promise<CachedEngine> {
    const path = this.pathOf(engine.header);
    await writeEngineFile(path, engine);
    return { path, header: engine.header };
  }

  /** @throws T2IError IO_FAILED */
  async remove(path: string): Promise<void> {
    await removeEngine(path);
  }

  /**
   * Engines of a component that could be read, the last written first, each with what keeps it from being used as wanted. Their
   * engines behind their headers are not checked yet.
   */
  async candidates(wanted: WantedEngine): Promise<Candidate[]> {
    const found: (Candidate & { readonly modified: Date })[] = [];
    for (const path of await engineFiles(this.dir, wanted.component)) {
      const entry = await describe(path, readEngineHeader);
      if (entry === null || 'damage' in entry) continue;
      const { header, modified } = entry;
      found.push({ path, header, modified, reasons: mismatch(header, wanted) });
    }
    return found.sort((a, b) => b.modified.getTime() - a.modified.getTime());
  }

  /** Those of the candidates that may be used as wanted. */
  async fitting(wanted: WantedEngine): Promise<CachedEngine[]> {
    return (await this.candidates(wanted)).filter(({ reasons }) => reasons.length === 0);
  }
}

/** With the kernels that were compiled for it. @throws T2IError IO_FAILED */
export async function removeEngine(path: string): Promise<void> {
  try {
    await rm(path, { force: true });
    await rm(kernelCachePath(path), { force: true });
  } catch (cause) {
    throw new T2IError('IO_FAILED', `Cannot remove ${path}: ${(cause as Error).message}`, {
      hint: 'Remove it yourself, or ask its owner to.',
      cause,
    });
  }
}

/** Every engine file of the folder, every byte of it checked; none where there is no folder. Damaged ones say why. */
export async function listEngines(dir: string): Promise<CacheEntry[]> {
  const entries: CacheEntry[] = [];
  // One after the other: a cache may hold more files than a process may open.
  for (const path of await engineFiles(dir)) {
    const entry = await describe(path, verifyEngineFile);
    if (entry !== null) entries.push(entry);
  }
  return entries;
}

async function engineFiles(dir: string, component?: Component): Promise<string[]> {
  const names = await readdir(dir).catch(() => []);
  return names
    .filter((name) => component === undefined || name.startsWith(`${component}-`))
    .filter((name) => NAME.test(name))
    .sort()
    .map((name) => join(dir, name));
}

/** Null where the file is gone. */
async function describe(path: string, read: (path: string) => Promise<EngineHeader>): Promise<CacheEntry | null> {
  const info = await lstat(path).catch(() => null);
  if (info === null) return null;
  const file = { path, bytes: info.size, modified: info.mtime };
  try {
    return { ...file, header: await read(path) };
  } catch (damage) {
    if (!T2IError.is(damage)) throw damage;
    return { ...file, damage };
  }
}
