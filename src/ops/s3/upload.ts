import { createHash } from 'node:crypto';
import type { CompletedPart, Part } from '@aws-sdk/client-s3';
import { formatS3Address, type S3Address } from '../../aws/s3-address.js';
import type { S3Store } from '../../aws/s3-store.js';
import { changedWhileRead, readSegments, type Segments, sizeOf } from '../archive/segments.js';

const MIB = 2 ** 20;
/** S3 takes no smaller parts, but for the last. */
const SMALLEST_PART = 5 * MIB;
const USUAL_PART = 16 * MIB;
const MOST_PARTS = 10_000;
const AT_ONCE = 4;

export interface UploadOptions {
  /** Of the whole, in hex, as it was hashed before. */
  readonly sha256: string;
  readonly partBytes?: number;
  readonly onBytes?: (sent: number) => void;
}

/**
 * Uploads an archive, in parts where it is large, each with its SHA-256. Parts that an upload before left in S3 are not sent again where
 * they are the same.
 *
 * @returns whether anything had to be sent: an object with this SHA-256 may be there already
 * @throws T2IError DATA_INVALID where a file changed since it was hashed (nothing is left in S3 then); as {@link S3Store}
 */
export async function upload(
  store: S3Store,
  address: S3Address,
  segments: Segments,
  options: UploadOptions,
  signal: AbortSignal,
): Promise<boolean> {
  const bytes = sizeOf(segments);
  const there = await store.head(address, signal);
  if (there?.sha256 === options.sha256 && there.bytes === bytes) return false;
  const partBytes = Math.max(options.partBytes ?? USUAL_PART, SMALLEST_PART, Math.ceil(bytes / MOST_PARTS / MIB) * MIB);
  if (bytes > partBytes) await new Multipart(store, address, segments, options, partBytes, signal).run();
  else {
    const body = await readPart(segments, 0, bytes, signal);
    if (createHash('sha256').update(body).digest('hex') !== options.sha256) throw changed(address);
    await store.write(address, body, options.sha256, signal);
    options.onBytes?.(bytes);
  }
  return true;
}

class Multipart {
  readonly #target: { readonly Bucket: string; readonly Key: string };
  readonly #doing: string;

  constructor(
    readonly store: S3Store,
    readonly address: S3Address,
    readonly segments: Segments,
    readonly options: UploadOptions,
    readonly partBytes: number,
    readonly signal: AbortSignal,
  ) {
    this.#target = { Bucket: address.bucket, Key: address.key };
    this.#doing = `Cannot write ${formatS3Address(address)}`;
  }

  async run(): Promise<void> {
    const s3 = await import('@aws-sdk/client-s3');
    const { UploadId, there } = await this.#begin(s3);
    const parts = await this.#sendParts(s3, UploadId, there);
    const target = { ...this.#target, UploadId };
    if (parts === null) {
      await this.#call((options) => this.store.client.send(new s3.AbortMultipartUploadCommand(target), options));
      throw changed(this.address);
    }
    const command = new s3.CompleteMultipartUploadCommand({ ...target, MultipartUpload: { Parts: parts } });
    await this.#call((options) => this.store.client.send(command, options));
  }

  /** Goes on with an unfinished upload of the same bytes, which the key tells; ends one of other bytes. */
  async #begin(s3: Sdk): Promise<{ UploadId: string; there: ReadonlyMap<number, Part> }> {
    const { Bucket, Key } = this.#target;
    const { client } = this.store;
    const { Uploads = [] } = await this.#call((options) =>
      client.send(new s3.ListMultipartUploadsCommand({ Bucket, Prefix: Key }), options),
    );
    for (const { UploadId } of Uploads.filter((upload) => upload.Key === Key).reverse()) {
      if (Key.includes(this.options.sha256.slice(0, 16)) && UploadId !== undefined)
        return { UploadId, there: await this.#listParts(s3, UploadId) };
      await this.#call((options) =>
        client.send(new s3.AbortMultipartUploadCommand({ Bucket, Key, UploadId }), options),
      );
    }
    const { sha256 } = this.options;
    const command = new s3.CreateMultipartUploadCommand({
      ...this.#target,
      ...{ ChecksumAlgorithm: 'SHA256', ChecksumType: 'COMPOSITE', Metadata: { sha256 } },
    });
    const { UploadId } = await this.#call((options) => client.send(command, options));
    return { UploadId: UploadId as string, there: new Map() };
  }

  async #listParts(s3: Sdk, UploadId: string): Promise<ReadonlyMap<number, Part>> {
    const found = new Map<number, Part>();
    let PartNumberMarker: string | undefined;
    do {
      const command = new s3.ListPartsCommand({ ...this.#target, UploadId, PartNumberMarker });
      const page = await this.#call((options) => this.store.client.send(command, options));
      for (const part of page.Parts ?? []) found.set(part.PartNumber as number, part);
      PartNumberMarker = page.IsTruncated ? page.NextPartNumberMarker : undefined;
    } while (PartNumberMarker !== undefined);
    return found;
  }

  /** Null where the bytes are not those that were hashed before. */
  async #sendParts(s3: Sdk, UploadId: string, there: ReadonlyMap<number, Part>): Promise<CompletedPart[] | null> {
    const bytes = sizeOf(this.segments);
    const whole = createHash('sha256');
    const parts: Promise<CompletedPart>[] = [];
    for (let start = 0, number = 1; start < bytes; start += this.partBytes, number++) {
      const body = await readPart(this.segments, start, Math.min(start + this.partBytes, bytes), this.signal);
      whole.update(body);
      const sending = this.#sendPart(s3, UploadId, number, body, there.get(number));
      // Whoever awaits it first tells what went wrong; the other parts end unheard.
      sending.catch(() => {});
      parts.push(sending);
      // Memory holds so many parts; those before may have failed, which ends it here.
      await parts.at(-AT_ONCE);
    }
    const sent = await Promise.all(parts);
    return whole.digest('hex') === this.options.sha256 ? sent : null;
  }

  async #sendPart(
    s3: Sdk,
    UploadId: string,
    PartNumber: number,
    Body: Buffer,
    there: Part | undefined,
  ): Promise<CompletedPart> {
    const ChecksumSHA256 = createHash('sha256').update(Body).digest('base64');
    if (there !== undefined && isSame(there, Body, ChecksumSHA256))
      return { PartNumber, ETag: there.ETag, ChecksumSHA256 };
    const command = new s3.UploadPartCommand({ ...this.#target, UploadId, PartNumber, Body, ChecksumSHA256 });
    const { ETag } = await this.#call((options) => this.store.client.send(command, options));
    this.options.onBytes?.(Body.length);
    return { PartNumber, ETag, ChecksumSHA256 };
  }

  #call<T>(work: (options: { abortSignal: AbortSignal }) => Promise<T>): Promise<T> {
    return this.store.call(this.#doing, this.signal, () => work({ abortSignal: this.signal }));
  }
}

type Sdk = typeof import('@aws-sdk/client-s3');

function isSame({ Size, ETag, ChecksumSHA256 }: Part, body: Buffer, sha256: string): boolean {
  if (Size !== body.length) return false;
  if (ChecksumSHA256 !== undefined) return ChecksumSHA256 === sha256;
  // Servers other than AWS's may list parts without their checksums.
  return ETag?.replaceAll('"', '') === createHash('md5').update(body).digest('hex');
}

async function readPart(segments: Segments, start: number, end: number, signal: AbortSignal): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of readSegments(segments, start, end, signal)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

function changed(address: S3Address) {
  return changedWhileRead(`What was being sent to ${formatS3Address(address)}`);
}
