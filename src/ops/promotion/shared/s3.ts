import { createHash } from 'node:crypto';
import { isMissingObject } from '../../../aws/errors.js';
import { below, formatS3Address, type S3Address } from '../../../aws/s3-address.js';
import type { S3Store } from '../../../aws/s3-store.js';
import { T2IError } from '../../../errors.js';
import { openObject } from '../../s3/download.js';
import { upload } from '../../s3/upload.js';
import { download } from '../../transfer/download.js';
import type { FileRecord } from '../../transfer/tree.js';
import type { SharedPlace, TaggedText } from './place.js';

/**
 * `promotion.json` and `files/SHA256` below a prefix. The record is written with If-Match or If-None-Match, so that of two writers
 * one is told; S3 answers the other 412.
 */
export class S3SharedPlace implements SharedPlace {
  readonly address: string;
  readonly #store: S3Store;
  readonly #prefix: S3Address;
  readonly #record: S3Address;
  readonly #onFile: (doing: 'sending' | 'fetching', file: FileRecord) => void;

  /** @param onFile told of each file that takes time */
  constructor(
    store: S3Store,
    prefix: S3Address,
    onFile: (doing: 'sending' | 'fetching', file: FileRecord) => void = () => {},
  ) {
    this.#store = store;
    this.#prefix = prefix;
    this.#record = below(prefix, 'promotion.json');
    this.address = formatS3Address(this.#record);
    this.#onFile = onFile;
  }

  async readRecord(signal: AbortSignal): Promise<TaggedText | null> {
    try {
      const { body, etag } = await this.#store.read(this.#record, signal);
      if (etag === undefined) throw notAsSent(this.address, 'an object with an ETag, by which it is replaced');
      return { text: body.toString(), tag: etag };
    } catch (error) {
      if (isMissingObject(error)) return null;
      throw error;
    }
  }

  async writeRecord(text: string, only: string | null, signal: AbortSignal): Promise<void> {
    const body = Buffer.from(text);
    const sha256 = createHash('sha256').update(body).digest('hex');
    await this.#store.write(this.#record, body, sha256, signal, only);
  }

  addressOf(file: FileRecord): string {
    return formatS3Address(this.#keyOf(file));
  }

  async send(path: string, file: FileRecord, signal: AbortSignal): Promise<void> {
    const { bytes, sha256 } = file;
    this.#onFile('sending', file);
    if (!(await upload(this.#store, this.#keyOf(file), [{ path, bytes }], { sha256 }, signal))) return;
    const there = await this.#store.head(this.#keyOf(file), signal);
    if (there?.bytes !== bytes || there.sha256 !== sha256)
      throw notAsSent(this.addressOf(file), `${bytes} bytes with SHA-256 ${sha256}`);
  }

  async fetch(file: FileRecord, to: string, signal: AbortSignal): Promise<void> {
    this.#onFile('fetching', file);
    await download((bounds) => openObject(this.#store, this.#keyOf(file), bounds, signal), to, file.bytes, signal);
  }

  #keyOf({ sha256 }: FileRecord): S3Address {
    return below(this.#prefix, `files/${sha256}`);
  }
}

function notAsSent(address: string, expected: string): T2IError {
  return new T2IError('REMOTE_REFUSED', `The server has something else at ${address} than ${expected}`, {
    hint: 'Nothing was promoted. Remove the object and run this again; a server that only resembles S3 may lack what is needed.',
  });
}
