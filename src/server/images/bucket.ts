import type { GetObjectCommandOutput } from '@aws-sdk/client-s3';
import { isMissingObject } from '../../aws/errors.js';
import { below, formatS3Address, parseS3Address, type S3Address } from '../../aws/s3-address.js';
import { S3Store } from '../../aws/s3-store.js';
import type { AwsSettings } from '../../aws/settings.js';
import { T2IError } from '../../errors.js';
import { refusal } from '../http/refusal.js';
import type { ImagePlace } from './image-place.js';

export interface BucketOptions {
  /** `s3://BUCKET/PREFIX`, the same for all servers that share a queue; what is below is the store's alone. */
  readonly s3: string;
  /** Milliseconds that an image is answered. A lifecycle rule of the bucket removes it. */
  readonly ttl: number;
}

const PATIENCE = 20_000;
/** More bytes than an image has; larger objects are none of ours. */
const MOST_BYTES = 64 << 20;
/** What is written at the start, to learn then whether it can be. */
const CHECK = 't2i-check';

/** Images in S3, where any server finds what another has kept. Each object says until when it is answered. */
export class Bucket implements ImagePlace {
  private constructor(
    private readonly store: S3Store,
    private readonly address: S3Address,
    private readonly ttl: number,
    private readonly patience: number,
  ) {}

  /**
   * @param patience milliseconds that a request to S3 may take, its repetitions included
   * @throws T2IError where it cannot be written there and read again
   */
  static async open({ s3, ttl }: BucketOptions, settings: AwsSettings, patience = PATIENCE): Promise<Bucket> {
    const bucket = new Bucket(await S3Store.open(settings), parseS3Address(s3, 'imageStore.s3'), ttl, patience);
    try {
      await bucket.#put(CHECK, new Uint8Array(), 'text/plain');
      await bucket.#get(CHECK);
      return bucket;
    } catch (error) {
      bucket.close();
      throw error;
    }
  }

  async write(name: string, bytes: Uint8Array, mediaType: string): Promise<void> {
    await this.#put(name, bytes, mediaType).catch(unavailable);
  }

  async read(name: string): Promise<Uint8Array<ArrayBuffer> | null> {
    try {
      return await this.#get(name);
    } catch (error) {
      return isMissingObject(error) ? null : unavailable(error);
    }
  }

  close(): void {
    this.store.close();
  }

  async #put(name: string, bytes: Uint8Array, mediaType: string): Promise<void> {
    const { PutObjectCommand } = await import('@aws-sdk/client-s3');
    const address = below(this.address, name);
    const command = new PutObjectCommand({
      ...{ Bucket: address.bucket, Key: address.key, Body: bytes, ContentType: mediaType },
      Metadata: { 'expires-at': new Date(Date.now() + this.ttl).toISOString() },
    });
    await this.#call(`Cannot write ${formatS3Address(address)}`, (abortSignal) =>
      this.store.client.send(command, { abortSignal }),
    );
  }

  /** Null for one whose time is over, and for what is none of ours; of that nothing is read. */
  async #get(name: string): Promise<Uint8Array<ArrayBuffer> | null> {
    const { GetObjectCommand } = await import('@aws-sdk/client-s3');
    const address = below(this.address, name);
    const command = new GetObjectCommand({ Bucket: address.bucket, Key: address.key });
    return this.#call(`Cannot read ${formatS3Address(address)}`, async (abortSignal) => {
      const { Body, ...head } = await this.store.client.send(command, { abortSignal });
      const body = Body as NonNullable<typeof Body> & { destroy(): void };
      if (isKept(head)) return new Uint8Array(await body.transformToByteArray());
      body.destroy();
      return null;
    });
  }

  async #call<T>(doing: string, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const signal = AbortSignal.timeout(this.patience);
    try {
      return await this.store.call(doing, signal, () => work(signal));
    } catch (error) {
      if (!signal.aborted) throw error;
      throw new T2IError('NETWORK_FAILED', `${doing}: no answer within ${this.patience / 1000} s`, {
        hint: 'Check the network, the region and the endpoint.',
      });
    }
  }
}

function isKept({ Metadata, ContentLength }: Omit<GetObjectCommandOutput, 'Body'>): boolean {
  const expires = Date.parse(Metadata?.['expires-at'] ?? '');
  return expires > Date.now() && (ContentLength ?? Number.POSITIVE_INFINITY) <= MOST_BYTES;
}

function unavailable(cause: unknown): never {
  throw refusal('image_store_unavailable', 'The images cannot be kept or read at the moment', { retryAfter: 1, cause });
}
