import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import type { S3Store } from '../../../../src/aws/s3-store.js';
import { offlineStore } from '../../../support/offline-store.js';

interface Kept {
  readonly body: Buffer;
  readonly etag: string | undefined;
  readonly metadata: Readonly<Record<string, string>> | undefined;
}

interface Input {
  readonly Bucket: string;
  readonly Key: string;
  readonly Body: Buffer;
  readonly Range?: string;
  readonly IfMatch?: string;
  readonly IfNoneMatch?: string;
  readonly ChecksumSHA256: string;
  readonly Metadata: Readonly<Record<string, string>>;
}

/** A bucket, `flowers`, in memory, as the client of S3 shows it: small objects, with conditional writes. */
export class TinyS3 {
  /** By key. */
  readonly objects = new Map<string, Kept>();
  /** Names of the commands that were sent, so far. */
  readonly asked: string[] = [];
  /** What a server makes of an object that it is to keep. */
  keeps: (kept: Kept) => Kept | null = (kept) => kept;

  async store(): Promise<S3Store> {
    const store = await offlineStore();
    store.client.send = (async (command: { readonly input: Input }) => {
      const name = command.constructor.name.replace('Command', '');
      this.asked.push(name);
      return this.#answer(name, command.input);
    }) as never;
    return store;
  }

  #answer(name: string, input: Input): object {
    if (input.Bucket !== 'flowers') throw refusal('NoSuchBucket', 404);
    if (name === 'PutObject') return this.#put(input);
    const kept = this.objects.get(input.Key);
    if (kept === undefined) throw refusal(name === 'HeadObject' ? 'NotFound' : 'NoSuchKey', 404);
    const { body, etag: ETag, metadata: Metadata } = kept;
    const told = { ETag, Metadata, ContentLength: body.length };
    if (name === 'HeadObject') return told;
    if (name !== 'GetObject') throw new Error(`${name} is not known`);
    const Body = Object.assign(Readable.from([body]), { transformToByteArray: async () => body });
    return { ...told, Body };
  }

  #put({ Key, Body, IfMatch, IfNoneMatch, ChecksumSHA256, Metadata }: Input): object {
    const there = this.objects.get(Key);
    if (IfNoneMatch === '*' && there !== undefined) throw refusal('PreconditionFailed', 412);
    if (IfMatch !== undefined && there?.etag !== IfMatch) throw refusal('PreconditionFailed', 412);
    if (createHash('sha256').update(Body).digest('base64') !== ChecksumSHA256) throw refusal('BadDigest', 400);
    const kept = this.keeps({
      body: Body,
      etag: `"${createHash('md5').update(Body).digest('hex')}"`,
      metadata: Metadata,
    });
    if (kept !== null) this.objects.set(Key, kept);
    return {};
  }
}

function refusal(name: string, httpStatusCode: number): Error {
  return Object.assign(new Error(name), { name, $metadata: { httpStatusCode } });
}
