import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { isRecord } from '../fields.js';
import { makeFolder, writeFileAtomic } from '../files.js';
import type { HashMemory } from './hashes.js';
import type { FileStamp } from './stamps.js';

/** A file that changed so short a time ago could change again without a later time: file systems count in steps of up to 2 s. */
const SETTLED_MS = 3000;

interface Entry extends FileStamp {
  readonly sha256: string;
}

/**
 * The hashes of files, so that the next run of the program need not read gigabytes again: as long as a file's size, time and place on the
 * disk are the same, so is its content. Where there is no file that keeps them, or it is damaged, nothing is remembered.
 */
export class HashCache implements HashMemory {
  readonly #file: string | null;
  readonly #most: number;
  readonly #entries: Map<string, Entry>;
  #changed = false;

  private constructor(file: string | null, most: number, entries: readonly (readonly [string, Entry])[]) {
    this.#file = file;
    this.#most = most;
    this.#entries = new Map(entries);
  }

  /**
   * @param file that keeps them; null keeps them while the program runs
   * @param most files that are remembered; the oldest are forgotten first
   */
  static async open(file: string | null, most: number): Promise<HashCache> {
    try {
      const kept = file === null ? {} : JSON.parse(await readFile(file, 'utf8'));
      return new HashCache(file, most, readEntries(kept));
    } catch {
      return new HashCache(file, most, []);
    }
  }

  recall(path: string, { size, changedMs, inode }: FileStamp): string | undefined {
    const known = this.#entries.get(path);
    const same = known?.size === size && known.changedMs === changedMs && known.inode === inode;
    return same ? known.sha256 : undefined;
  }

  keep(path: string, stamp: FileStamp, sha256: string): void {
    if (Date.now() - stamp.changedMs < SETTLED_MS) return;
    this.#entries.delete(path);
    this.#entries.set(path, { ...stamp, sha256 });
    this.#changed = true;
  }

  /** Writes down what is new. Where that fails, the next run reads the files again. */
  async save(): Promise<void> {
    if (!this.#changed || this.#file === null) return;
    this.#changed = false;
    const entries = Object.fromEntries([...this.#entries].slice(-this.#most));
    try {
      await makeFolder(dirname(this.#file), 0o700);
      await writeFileAtomic(this.#file, Buffer.from(JSON.stringify(entries)));
    } catch {}
  }
}

function readEntries(json: unknown): [string, Entry][] {
  return Object.entries(isRecord(json) ? json : {}).filter((entry): entry is [string, Entry] => {
    const [, value] = entry;
    return isRecord(value) && /^[0-9a-f]{64}$/.test(String(value.sha256));
  });
}
