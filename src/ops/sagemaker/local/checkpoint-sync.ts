import { readdir, readFile, stat } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { below, type S3Address } from '../../../aws/s3-address.js';
import type { S3Store } from '../../../aws/s3-store.js';
import { sha256Of } from '../code.js';
import { download } from './channels.js';

/**
 * Keeps a folder of a host in S3 while it is worked in: what is new or changed is copied there, what is gone is removed. Other hosts do the
 * same with the same place.
 */
export class CheckpointSync {
  readonly #store: S3Store;
  readonly #folder: string;
  readonly #address: S3Address;
  readonly #every: number;
  readonly #stopped = new AbortController();
  /** Size and time of each file as it lies in S3. */
  #known = new Map<string, string>();
  #following: Promise<void> = Promise.resolve();

  constructor(store: S3Store, folder: string, address: S3Address, every: number) {
    this.#store = store;
    this.#folder = folder;
    this.#address = address;
    this.#every = every;
  }

  /** Copies what is in S3 into the folder, then follows it. */
  async start(signal: AbortSignal): Promise<void> {
    await download(this.#store, this.#address, this.#folder, signal);
    this.#known = await this.#look();
    this.#following = this.#follow();
    // Whoever stops it is told; until then nobody listens.
    this.#following.catch(() => {});
  }

  /** Copies what is there at the end. */
  async stop(): Promise<void> {
    this.#stopped.abort();
    await this.#following;
    await this.#copy();
  }

  /** Leaves S3 as it is, as where a machine is gone. */
  async abandon(): Promise<void> {
    this.#stopped.abort();
    await this.#following;
  }

  async #follow(): Promise<void> {
    const { signal } = this.#stopped;
    while (!signal.aborted) {
      await this.#copy();
      await sleep(this.#every, undefined, { signal }).catch(() => {});
    }
  }

  async #copy(): Promise<void> {
    const never = new AbortController().signal;
    const now = await this.#look();
    for (const [path, state] of now) {
      if (this.#known.get(path) === state) continue;
      // A file that is renamed meanwhile comes under its new name.
      const body = await readFile(join(this.#folder, path)).catch(() => null);
      if (body === null) now.delete(path);
      else await this.#store.write(below(this.#address, path), body, sha256Of(body), never);
    }
    const gone = [...this.#known.keys()].filter((path) => !now.has(path));
    await this.#store.remove(
      this.#address.bucket,
      gone.map((path) => below(this.#address, path).key),
      never,
    );
    this.#known = now;
  }

  async #look(): Promise<Map<string, string>> {
    const found = new Map<string, string>();
    const entries = await readdir(this.#folder, { recursive: true, withFileTypes: true }).catch(() => []);
    for (const entry of entries.filter((each) => each.isFile())) {
      const path = join(entry.parentPath, entry.name);
      const info = await stat(path).catch(() => null);
      if (info !== null)
        found.set(relative(this.#folder, path).split(sep).join('/'), `${info.size} ${info.mtimeMs} ${info.ino}`);
    }
    return found;
  }
}
