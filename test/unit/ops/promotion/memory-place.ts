import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { expect } from 'vitest';
import { T2IError } from '../../../../src/errors.js';
import type { HistoryEntry } from '../../../../src/ops/promotion/history.js';
import type { SharedPlace, TaggedText } from '../../../../src/ops/promotion/shared/place.js';
import type { FileRecord } from '../../../../src/ops/transfer/tree.js';
import { dies, killed } from './mortal-fs.js';

type Call = 'readRecord' | 'writeRecord' | 'send' | 'fetch';

/** A place that projects of a test share. */
export class MemoryPlace implements SharedPlace {
  readonly address = 'memory://shared/promotion.json';
  record: TaggedText | null = null;
  /** Content by SHA-256. */
  readonly files = new Map<string, Buffer>();
  /** Every record that ever was. */
  readonly written: string[] = [];
  readonly calls: Call[] = [];
  /** Called before each call, which it may hold up or fail. */
  before: (call: Call) => Promise<void> = async () => {};
  /** The same after a write that was done. */
  afterWrite: () => Promise<void> = async () => {};

  get history(): HistoryEntry[] {
    return this.record === null ? [] : JSON.parse(this.record.text).history;
  }

  async readRecord(): Promise<TaggedText | null> {
    await this.#begin('readRecord');
    return this.record;
  }

  async writeRecord(text: string, only: string | null): Promise<void> {
    await this.#begin('writeRecord');
    if (dies()) throw killed();
    if ((this.record?.tag ?? null) !== only) throw conflict();
    this.record = { text, tag: `tag ${this.written.push(text)}` };
    await this.afterWrite();
    // The answer is lost with the process.
    if (dies()) throw killed();
  }

  addressOf({ sha256 }: FileRecord): string {
    return `memory://shared/files/${sha256}`;
  }

  async send(path: string, { sha256 }: FileRecord): Promise<void> {
    await this.#begin('send');
    if (this.files.has(sha256)) return;
    if (dies()) throw killed();
    this.files.set(sha256, await readFile(path));
  }

  async fetch({ sha256 }: FileRecord, to: string): Promise<void> {
    await this.#begin('fetch');
    const bytes = this.files.get(sha256);
    if (bytes === undefined) throw new T2IError('REMOTE_NOT_FOUND', `${sha256} is not there`);
    await writeFile(to, bytes);
  }

  /** Records only grow, an entry at a time; what is promoted, and all that was since it is shared, is there whole. */
  expectOneHistory(): void {
    const histories = this.written.map((text) => JSON.parse(text).history as HistoryEntry[]);
    for (const [at, history] of histories.entries()) {
      if (at > 0) expect(history.slice(0, -1)).toEqual(histories[at - 1]);
    }
    const [first = []] = histories;
    for (const { model } of (histories.at(-1) ?? []).slice(Math.max(0, first.length - 1))) {
      for (const { sha256 } of Object.values(model.files)) {
        const bytes = this.files.get(sha256) ?? 'nothing';
        expect(createHash('sha256').update(bytes).digest('hex')).toBe(sha256);
      }
    }
  }

  async #begin(call: Call): Promise<void> {
    this.calls.push(call);
    await this.before(call);
  }
}

export function conflict(): T2IError {
  return new T2IError('REMOTE_CONFLICT', 'another is there');
}
