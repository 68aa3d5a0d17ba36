import { Readable } from 'node:stream';
import { S3Store } from '../../src/aws/s3-store.js';
import { readAwsSettings } from '../../src/aws/settings.js';
import { CANARIES } from './moto.js';

const [AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY] = CANARIES;

/** Settings of clients that are to reach nothing. */
export const OFFLINE = readAwsSettings({ AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION: 'eu-west-1' });

/** A store of S3 for tests that put their own in the place of its methods, or of its client's: it is not to be asked anything else. */
export function offlineStore(): Promise<S3Store> {
  return S3Store.open(OFFLINE);
}

interface Stored {
  readonly body: Buffer;
  readonly sha256: string | undefined;
}

/** A bucket in memory: small objects by their keys, with the hashes that they were sent with. */
export class MemoryBucket {
  readonly objects = new Map<string, Stored>();
  /** Keys that were written, in order. */
  readonly written: string[] = [];

  put(key: string, body: Buffer | string, sha256?: string): void {
    this.objects.set(key, { body: Buffer.from(body), sha256 });
  }

  text(key: string): string {
    return `${this.objects.get(key)?.body}`;
  }

  /** The keys that begin so, in order. */
  keys(prefix = ''): string[] {
    return [...this.objects.keys()].filter((key) => key.startsWith(prefix)).sort();
  }

  /** A store whose every bucket is this one. */
  async store(): Promise<S3Store> {
    const store = await offlineStore();
    const send = async (command: { input: Input }) => this.#answer(command.constructor.name, command.input);
    Object.assign(store.client, { send });
    return store;
  }

  #answer(name: string, { Key = '', Body = Buffer.alloc(0), Metadata, Prefix = '', Delete }: Input): unknown {
    if (name === 'PutObjectCommand') {
      this.put(Key, Body, Metadata?.sha256);
      this.written.push(Key);
      return {};
    }
    if (name === 'ListObjectsV2Command') {
      const listed = (Key: string) => ({ Key, Size: this.objects.get(Key)?.body.length, ETag: this.text(Key) });
      return { Contents: this.keys(Prefix).map(listed) };
    }
    if (name === 'DeleteObjectsCommand') {
      for (const each of Delete?.Objects ?? []) this.objects.delete(each.Key);
      return {};
    }
    const found = this.objects.get(Key);
    const missing = name === 'HeadObjectCommand' ? 'NotFound' : 'NoSuchKey';
    if (found === undefined) throw Object.assign(new Error(missing), { name: missing });
    const { body, sha256 } = found;
    if (name === 'HeadObjectCommand') return { ContentLength: body.length, Metadata: { sha256 } };
    const stream = Object.assign(Readable.from([body]), { transformToByteArray: async () => body });
    return { Body: stream, ContentLength: body.length };
  }
}

interface Input {
  readonly Key?: string;
  readonly Body?: Buffer;
  readonly Metadata?: { readonly sha256: string };
  readonly Prefix?: string;
  readonly Delete?: { readonly Objects: readonly { readonly Key: string }[] };
}
