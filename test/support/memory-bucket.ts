import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import type { S3Store } from '../../src/aws/s3-store.js';
import { offlineStore } from './offline-store.js';

interface Stored {
  readonly body: Buffer;
  readonly etag: string | undefined;
  readonly metadata: Readonly<Record<string, string>> | undefined;
  readonly type?: string | undefined;
}

interface Input {
  readonly Bucket: string;
  readonly Key: string;
  readonly Body: Buffer;
  readonly IfMatch?: string;
  readonly IfNoneMatch?: string;
  readonly ChecksumSHA256?: string;
  readonly ContentType?: string;
  readonly Metadata?: Readonly<Record<string, string>>;
  readonly Prefix?: string;
  readonly Delete: { readonly Objects: readonly { readonly Key: string }[] };
}

/** The bucket `flowers` in memory, as the client of S3 shows it: small objects, with conditional writes. */
export class MemoryBucket {
  /** By key. */
  readonly objects = new Map<string, Stored>();
  /** Keys that were written by a store, in order. */
  readonly written: string[] = [];
  /** What a server makes of an object that it is to keep. */
  keeps: (stored: Stored) => Stored | null = (stored) => stored;

  put(key: string, content: Uint8Array | string, metadata?: Stored['metadata'], type?: string): void {
    const body = Buffer.from(content as string);
    const stored = this.keeps({ body, etag: `"${createHash('md5').update(body).digest('hex')}"`, metadata, type });
    if (stored !== null) this.objects.set(key, stored);
  }

  text(key: string): string {
    return `${this.objects.get(key)?.body}`;
  }

  /** The keys that begin so, in order. */
  keys(prefix = ''): string[] {
    return [...this.objects.keys()].filter((key) => key.startsWith(prefix)).sort();
  }

  /** A store that reaches this bucket alone. */
  async store(): Promise<S3Store> {
    const store = await offlineStore();
    const send = async (command: { readonly input: Input }) => this.#answer(command.constructor.name, command.input);
    Object.assign(store.client, { send });
    return store;
  }

  #answer(command: string, input: Input): object {
    if (input.Bucket !== 'flowers') throw refusal('NoSuchBucket', 404);
    if (command === 'PutObjectCommand') return this.#write(input);
    if (command === 'ListObjectsV2Command')
      return { Contents: this.keys(input.Prefix).map((key) => this.#listed(key)) };
    if (command === 'DeleteObjectsCommand') {
      for (const { Key } of input.Delete.Objects) this.objects.delete(Key);
      return {};
    }
    const stored = this.objects.get(input.Key);
    if (stored === undefined) throw refusal(command === 'HeadObjectCommand' ? 'NotFound' : 'NoSuchKey', 404);
    const { body, etag: ETag, metadata: Metadata } = stored;
    const told = { ETag, Metadata, ContentLength: body.length };
    if (command === 'HeadObjectCommand') return told;
    if (command !== 'GetObjectCommand') throw new Error(`${command} is not known`);
    return { ...told, Body: Object.assign(Readable.from([body]), { transformToByteArray: async () => body }) };
  }

  #write({ Key, Body, IfMatch, IfNoneMatch, ChecksumSHA256, ContentType, Metadata }: Input): object {
    const there = this.objects.get(Key);
    if (IfNoneMatch === '*' && there !== undefined) throw refusal('PreconditionFailed', 412);
    if (IfMatch !== undefined && there?.etag !== IfMatch) throw refusal('PreconditionFailed', 412);
    const digest = createHash('sha256').update(Body).digest('base64');
    if (ChecksumSHA256 !== undefined && digest !== ChecksumSHA256) throw refusal('BadDigest', 400);
    this.put(Key, Body, Metadata, ContentType);
    this.written.push(Key);
    return {};
  }

  #listed(Key: string): object {
    const { body, etag: ETag } = this.objects.get(Key) as Stored;
    return { Key, Size: body.length, ETag };
  }
}

function refusal(name: string, httpStatusCode: number): Error {
  return Object.assign(new Error(name), { name, $metadata: { httpStatusCode } });
}
