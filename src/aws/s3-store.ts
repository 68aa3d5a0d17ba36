import type { S3Client } from '@aws-sdk/client-s3';
import { openS3 } from './clients.js';
import { awsError } from './errors.js';
import { formatS3Address, type S3Address } from './s3-address.js';
import type { AwsSettings } from './settings.js';

/** An object as a listing or HEAD tells it. */
export interface StoredObject {
  readonly key: string;
  readonly bytes: number;
  readonly etag: string | undefined;
  /** Of the whole object, in hex, where this package wrote it; a listing does not say. */
  readonly sha256?: string | undefined;
}

/** Objects that one request removes. */
const MOST_DELETED = 1000;

/** S3 as this package uses it; every method throws T2IError. */
export class S3Store {
  readonly client: S3Client;
  readonly #secrets: readonly string[];

  private constructor(client: S3Client, secrets: readonly string[]) {
    this.client = client;
    this.#secrets = secrets;
  }

  static async open(settings: AwsSettings): Promise<S3Store> {
    return new S3Store(await openS3(settings), settings.secrets);
  }

  /** Runs a call; what goes wrong is told in the words of this package, an abort by the signal's reason. */
  async call<T>(doing: string, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      signal.throwIfAborted();
      throw awsError(error, doing, this.#secrets);
    }
  }

  /** Null where there is no such object. */
  async head(address: S3Address, signal: AbortSignal): Promise<StoredObject | null> {
    const { HeadObjectCommand } = await import('@aws-sdk/client-s3');
    const { bucket: Bucket, key: Key } = address;
    return this.call(`Cannot look at ${formatS3Address(address)}`, signal, async () => {
      try {
        const found = await this.client.send(new HeadObjectCommand({ Bucket, Key }), { abortSignal: signal });
        const { ContentLength: bytes = 0, ETag: etag, Metadata: { sha256 } = {} } = found;
        return { key: Key, bytes, etag, sha256 };
      } catch (error) {
        if ((error as Error).name === 'NotFound') return null;
        throw error;
      }
    });
  }

  /** @throws T2IError REMOTE_NOT_FOUND where there is no such object */
  async read(
    address: S3Address,
    signal: AbortSignal,
  ): Promise<{ readonly body: Buffer; readonly etag: string | undefined }> {
    const { GetObjectCommand } = await import('@aws-sdk/client-s3');
    const { bucket: Bucket, key: Key } = address;
    return this.call(`Cannot read ${formatS3Address(address)}`, signal, async () => {
      const { Body, ETag } = await this.client.send(new GetObjectCommand({ Bucket, Key }), { abortSignal: signal });
      return { body: Buffer.from(await (Body as NonNullable<typeof Body>).transformToByteArray()), etag: ETag };
    });
  }

  /**
   * The bytes of an object as they come, and how many there are, 0 where S3 does not say. Errors while they are read are the stream's.
   *
   * @param start bytes at its start that are left out
   */
  async open(
    address: S3Address,
    signal: AbortSignal,
    start = 0,
  ): Promise<{ readonly body: NodeJS.ReadableStream; readonly bytes: number }> {
    const { GetObjectCommand } = await import('@aws-sdk/client-s3');
    const { bucket: Bucket, key: Key } = address;
    return this.call(`Cannot read ${formatS3Address(address)}`, signal, async () => {
      const Range = start === 0 ? undefined : `bytes=${start}-`;
      const { Body, ContentLength } = await this.client.send(new GetObjectCommand({ Bucket, Key, Range }), {
        abortSignal: signal,
      });
      return { body: Body as unknown as NodeJS.ReadableStream, bytes: ContentLength ?? 0 };
    });
  }

  /**
   * Writes a small object, with its SHA-256 for S3 to check.
   *
   * @param only replaces the object of this ETag alone; null writes where there is none
   * @throws T2IError REMOTE_CONFLICT where another is there
   */
  async write(
    address: S3Address,
    body: Buffer,
    sha256: string,
    signal: AbortSignal,
    only?: string | null,
  ): Promise<void> {
    const { PutObjectCommand } = await import('@aws-sdk/client-s3');
    const { bucket: Bucket, key: Key } = address;
    const condition = only === null ? { IfNoneMatch: '*' } : { IfMatch: only };
    const command = new PutObjectCommand({
      ...{ Bucket, Key, Body: body, ...condition },
      ...{ ChecksumSHA256: base64(sha256), Metadata: { sha256 } },
    });
    await this.call(`Cannot write ${formatS3Address(address)}`, signal, () =>
      this.client.send(command, { abortSignal: signal }),
    );
  }

  /** Objects whose keys begin with that of the address and a slash. */
  async *list(address: S3Address, signal: AbortSignal): AsyncGenerator<StoredObject> {
    const { ListObjectsV2Command } = await import('@aws-sdk/client-s3');
    const { bucket: Bucket, key } = address;
    let ContinuationToken: string | undefined;
    do {
      const command = new ListObjectsV2Command({ Bucket, Prefix: `${key}/`, ContinuationToken });
      const page = await this.call(`Cannot list ${formatS3Address(address)}`, signal, () =>
        this.client.send(command, { abortSignal: signal }),
      );
      for (const { Key = '', Size = 0, ETag } of page.Contents ?? []) yield { key: Key, bytes: Size, etag: ETag };
      ContinuationToken = page.NextContinuationToken;
    } while (ContinuationToken !== undefined);
  }

  /** @throws T2IError for the first object that S3 keeps, too */
  async remove(bucket: string, keys: readonly string[], signal: AbortSignal): Promise<void> {
    const { DeleteObjectsCommand } = await import('@aws-sdk/client-s3');
    for (let at = 0; at < keys.length; at += MOST_DELETED) {
      const Objects = keys.slice(at, at + MOST_DELETED).map((Key) => ({ Key }));
      const command = new DeleteObjectsCommand({ Bucket: bucket, Delete: { Objects, Quiet: true } });
      const { Errors: [kept] = [] } = await this.call(`Cannot remove objects from s3://${bucket}`, signal, () =>
        this.client.send(command, { abortSignal: signal }),
      );
      if (kept === undefined) continue;
      const { Key: key = '', Code: name, Message } = kept;
      const error = Object.assign(new Error(Message), { name });
      throw awsError(error, `Cannot remove ${formatS3Address({ bucket, key })}`, this.#secrets);
    }
  }

  close(): void {
    this.client.destroy();
  }
}

/** S3 takes and gives checksums in base64. */
export function base64(hex: string): string {
  return Buffer.from(hex, 'hex').toString('base64');
}
