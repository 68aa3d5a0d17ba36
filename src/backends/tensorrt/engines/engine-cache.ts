import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { T2IError } from '../../../errors.js';
import { openCacheFolder } from './cache-folder.js';
import type { Component } from './components.js';
import { type Engine, readEngineFile, readEngineHeader, verifyEngineFile, writeEngineFile } from './engine-file.js';
import { type EngineIdentity, type EngineWish, engineKey, mismatch } from './engine-key.js';
import type { EngineHeader } from './header.js';
import { invalidEngine } from './invalid-engine.js';

const NAME = /^(text_encoder|unet|vae_decoder)-[0-9a-f]{64}\.engine$/;

/** A file of the cache: its header, or why it cannot be used. */
export type CacheEntry =
  | { readonly path: string; readonly bytes: number; readonly modified: Date; readonly header: EngineHeader }
  | { readonly path: string; readonly bytes: number; readonly modified: Date; readonly damage: T2IError };

/** An engine with a known place in the cache. */
export interface CachedEngine extends Engine {
  readonly path: string;
}

/** One folder of engine files, each named by its component and key. Nothing is ever downloaded into it. */
export class EngineCache {
  private constructor(readonly dir: string) {}

  /** Makes the folder where it is missing. @throws T2IError IO_FAILED */
  static async open(dir: string): Promise<EngineCache> {
    await openCacheFolder(dir);
    return new EngineCache(dir);
  }

  pathOf(identity: EngineIdentity): string {
    return enginePath(this.dir, identity);
  }

  /**
   * The engine with exactly this identity.
   *
   * @returns null where there is none
   * @throws T2IError ENGINE_INVALID where the file is damaged or holds another engine
   */
  async find(identity: EngineIdentity): Promise<CachedEngine | null> {
    const path = this.pathOf(identity);
    return (await exists(path)) ? this.read(path) : null;
  }

  /** @param path of a file in the cache @throws T2IError ENGINE_INVALID, OUT_OF_MEMORY */
  async read(path: string): Promise<CachedEngine> {
    const engine = await readEngineFile(path);
    if (this.pathOf(engine.header) !== path) throw invalidEngine(path, 'its name is that of another engine');
    return { path, ...engine };
  }

  /** Puts an engine into the cache, in place of the one with the same identity. @throws T2IError IO_FAILED */
  async publish(engine: Engine): Promise<CachedEngine> {
    const path = this.pathOf(engine.header);
    await writeEngineFile(path, engine);
    return { path, ...engine };
  }

  async remove(path: string): Promise<void> {
    await rm(path, { force: true });
  }

  /**
   * Engines of a component that could be read, the last written first, each with what keeps it from being used as wanted. Their
   * plans are not checked yet.
   */
  async candidates(wanted: EngineWish): Promise<{ path: string; header: EngineHeader; reasons: string[] }[]> {
    const found: { path: string; header: EngineHeader; reasons: string[]; modified: Date }[] = [];
    for (const path of await engineFiles(this.dir, wanted.component)) {
      const entry = await describe(path, readEngineHeader);
      if (entry === null || 'damage' in entry) continue;
      found.push({ ...entry, reasons: mismatch(entry.header, wanted) });
    }
    return found.sort((a, b) => b.modified.getTime() - a.modified.getTime());
  }
}

export function enginePath(dir: string, identity: EngineIdentity): string {
  return join(dir, `${identity.component}-${engineKey(identity)}.engine`);
}

/** Every engine file of the folder, every byte of it checked; none where there is no folder. Damaged ones say why. */
export async function listEngines(dir: string): Promise<CacheEntry[]> {
  const entries = await Promise.all((await engineFiles(dir)).map((path) => describe(path, verifyEngineFile)));
  return entries.filter((entry) => entry !== null);
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
  const info = await stat(path).catch(() => null);
  if (info === null) return null;
  const file = { path, bytes: info.size, modified: info.mtime };
  try {
    return { ...file, header: await read(path) };
  } catch (damage) {
    if (!T2IError.is(damage)) throw damage;
    return { ...file, damage };
  }
}

async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => null)) !== null;
}
