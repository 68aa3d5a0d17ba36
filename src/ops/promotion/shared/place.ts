import type { FileRecord } from '../../transfer/tree.js';

/** A place that several machines promote into: a small record of what was promoted, and the files of models, each by its content. */
export interface SharedPlace {
  /** Address of the record, for messages. */
  readonly address: string;
  /** Null where nothing is shared yet. */
  readRecord(signal: AbortSignal): Promise<TaggedText | null>;
  /**
   * Writes the record, whole or not at all.
   *
   * @param only replaces the record of this tag alone; null writes where there is none
   * @throws T2IError REMOTE_CONFLICT where another is there
   */
  writeRecord(text: string, only: string | null, signal: AbortSignal): Promise<void>;
  /** Where a file lies, for messages. */
  addressOf(file: FileRecord): string;
  /** Sends a file, unless it is there; what lies there then has its size and hash. @throws T2IError */
  send(path: string, file: FileRecord, signal: AbortSignal): Promise<void>;
  /** Writes a file that was sent to `to`. Whether it is the one of its record, the caller looks. @throws T2IError */
  fetch(file: FileRecord, to: string, signal: AbortSignal): Promise<void>;
}

export interface TaggedText {
  readonly text: string;
  /** Another one for every record that is written. */
  readonly tag: string;
}
