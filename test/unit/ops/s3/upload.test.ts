import { createHash } from 'node:crypto';
import type { Part } from '@aws-sdk/client-s3';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { S3Store } from '../../../../src/aws/s3-store.js';
import { type UploadOptions, upload } from '../../../../src/ops/s3/upload.js';
import { offlineStore } from '../../../support/offline-store.js';

const MIB = 2 ** 20;
/** Three parts of 5, 5 and 1 MiB that differ. */
const ARCHIVE = Buffer.alloc(11 * MIB, 'of the archive, ');
for (const part of [0, 1, 2]) ARCHIVE.writeUInt8(part, part * 5 * MIB);
const SHA256 = createHash('sha256').update(ARCHIVE).digest('hex');
const KEY = `shards/${SHA256}.tar`;
const PARTS = [ARCHIVE.subarray(0, 5 * MIB), ARCHIVE.subarray(5 * MIB, 10 * MIB), ARCHIVE.subarray(10 * MIB)] as const;

interface Sent {
  readonly name: string;
  readonly input: Record<string, unknown>;
}

const base64 = (body: Buffer) => createHash('sha256').update(body).digest('base64');
/** A part as S3 lists it. */
const listed = (number: number, body: Buffer): Part => ({
  ...{ PartNumber: number, Size: body.length, ETag: `"e${number}"`, ChecksumSHA256: base64(body) },
});

describe('an archive that is sent to S3', () => {
  let store: S3Store;
  let sent: Sent[];
  /** What S3 answers to a command; others get an empty answer. */
  let answers: Record<string, (input: Record<string, unknown>) => unknown>;
  /** Of each request. */
  let signals: (AbortSignal | undefined)[];
  let stop: AbortController;

  beforeEach(async () => {
    [sent, signals, stop] = [[], [], new AbortController()];
    answers = {
      HeadObjectCommand: () => {
        throw Object.assign(new Error(), { name: 'NotFound', $metadata: { httpStatusCode: 404 } });
      },
      CreateMultipartUploadCommand: () => ({ UploadId: 'new' }),
      UploadPartCommand: ({ PartNumber }) => ({ ETag: `"e${PartNumber}"` }),
    };
    store = await offlineStore();
    vi.spyOn(store.client, 'send').mockImplementation((async (
      command: object,
      options?: { abortSignal?: AbortSignal },
    ) => {
      const { input } = command as { input: Record<string, unknown> };
      sent.push({ name: command.constructor.name, input });
      signals.push(options?.abortSignal);
      return answers[command.constructor.name]?.(input) ?? {};
    }) as never);
  });
  afterEach(() => store.close());

  const send = (
    options: Partial<UploadOptions> = {},
    { body = ARCHIVE, key = KEY }: { body?: Buffer; key?: string } = {},
  ) => upload(store, { bucket: 'b', key }, [body], { sha256: SHA256, partBytes: 5 * MIB, ...options }, stop.signal);
  const names = () => sent.map(({ name }) => name.replace('Command', ''));
  const sentParts = () =>
    sent.filter(({ name }) => name === 'UploadPartCommand').map(({ input }) => input.PartNumber as number);
  const unfinished = (uploads: object[], parts: Record<string, Part[]> = {}) => {
    answers.ListMultipartUploadsCommand = () => ({ Uploads: uploads });
    answers.ListPartsCommand = ({ UploadId }) => ({ Parts: parts[`${UploadId}`] });
  };

  it('goes in parts with their hashes, which end as one object', async () => {
    const told: number[] = [];
    expect(await send({ onBytes: (bytes) => told.push(bytes) })).toBe(true);
    expect(names()).toEqual([
      ...['HeadObject', 'ListMultipartUploads', 'CreateMultipartUpload'],
      ...['UploadPart', 'UploadPart', 'UploadPart', 'CompleteMultipartUpload'],
    ]);
    const target = { Bucket: 'b', Key: KEY };
    expect(sent[1]?.input).toEqual({ Bucket: 'b', Prefix: KEY });
    expect(sent[2]?.input).toMatchObject({ ...target, ChecksumAlgorithm: 'SHA256', Metadata: { sha256: SHA256 } });
    const parts = PARTS.map((body, at) => ({ PartNumber: at + 1, ETag: `"e${at + 1}"`, ChecksumSHA256: base64(body) }));
    const { Body, ...second } = sent[4]?.input ?? {};
    expect(second).toEqual({ ...target, UploadId: 'new', PartNumber: 2, ChecksumSHA256: base64(PARTS[1]) });
    expect(PARTS[1].equals(Body as Buffer)).toBe(true);
    expect(sent.at(-1)?.input).toEqual({ ...target, UploadId: 'new', MultipartUpload: { Parts: parts } });
    expect(told.toSorted()).toEqual([MIB, 5 * MIB, 5 * MIB]);
    expect(new Set(signals.slice(1))).toEqual(new Set([stop.signal]));
  });

  it.each([
    ['it is no larger than a part', 11 * MIB],
    ['nothing is said of parts, which have 16 MiB then', undefined],
  ])('goes in one request where %s', async (_, partBytes) => {
    const told = vi.fn();
    const options = { sha256: SHA256, onBytes: told, ...(partBytes && { partBytes }) };
    await upload(store, { bucket: 'b', key: KEY }, [ARCHIVE], options, stop.signal);
    expect(names()).toEqual(['HeadObject', 'PutObject']);
    expect(told).toHaveBeenCalledExactlyOnceWith(11 * MIB);
  });

  it('has no parts that S3 would refuse as too small', async () => {
    await send({ partBytes: 1 });
    expect(sentParts()).toEqual([1, 2, 3]);
  });

  it('is not sent where it is there, by its hash and its size', async () => {
    const there = { ContentLength: ARCHIVE.length, Metadata: { sha256: SHA256 } };
    answers.HeadObjectCommand = () => there;
    expect(await send()).toBe(false);
    expect(names()).toEqual(['HeadObject']);
    for (const other of [{ ContentLength: 1 }, { Metadata: { sha256: 'f'.repeat(64) } }, { Metadata: {} }]) {
      answers.HeadObjectCommand = () => ({ ...there, ...other });
      expect(await send()).toBe(true);
    }
  });

  it('goes on with the parts of an upload before, page by page', async () => {
    unfinished([{ Key: KEY, UploadId: 'old' }]);
    const asked: unknown[] = [];
    answers.ListPartsCommand = ({ UploadId, PartNumberMarker }) => {
      asked.push([UploadId, PartNumberMarker]);
      if (PartNumberMarker === undefined)
        return { Parts: [listed(1, PARTS[0])], IsTruncated: true, NextPartNumberMarker: '1' };
      // Of the last page it is told, too, and means nothing.
      return { Parts: [listed(2, PARTS[1])], IsTruncated: false, NextPartNumberMarker: '2' };
    };
    const told: number[] = [];
    await send({ onBytes: (bytes) => told.push(bytes) });
    expect(asked).toEqual([
      ['old', undefined],
      ['old', '1'],
    ]);
    expect([sentParts(), told]).toEqual([[3], [MIB]]);
    expect(sent.at(-1)?.input).toMatchObject({
      UploadId: 'old',
      MultipartUpload: { Parts: [{ ETag: '"e1"' }, { ETag: '"e2"' }, { ETag: '"e3"' }] },
    });
  });

  it('sends a part again that is another one, also where the server keeps no SHA-256', async () => {
    const md5 = `"${createHash('md5').update(PARTS[1]).digest('hex')}"`;
    const { ChecksumSHA256: _, ...bare } = listed(2, PARTS[1]);
    for (const [part, again] of [
      [listed(2, PARTS[1]), false],
      [{ ...listed(2, PARTS[1]), ChecksumSHA256: base64(PARTS[0]) }, true],
      // The right MD5 does not make up for another SHA-256, nor the right sum for another length.
      [{ ...listed(2, PARTS[1]), ETag: md5, ChecksumSHA256: base64(PARTS[0]) }, true],
      [{ ...listed(2, PARTS[1]), Size: 4 }, true],
      [{ ...bare, ETag: md5 }, false],
      [{ ...bare, ETag: md5, Size: 4 }, true],
      [bare, true],
      [{ ...bare, ETag: undefined }, true],
    ] as const) {
      sent = [];
      unfinished([{ Key: KEY, UploadId: 'old' }], { old: [part] });
      await send();
      expect(sentParts().includes(2), JSON.stringify(part)).toBe(again);
    }
  });

  it('goes on with the upload that was begun last', async () => {
    unfinished([
      { Key: KEY, UploadId: 'first' },
      { Key: KEY, UploadId: 'last' },
    ]);
    await send();
    expect(sent.at(-1)?.input.UploadId).toBe('last');
  });

  it('leaves uploads of other keys alone, which S3 lists by how they begin', async () => {
    unfinished([{ Key: `${KEY}.sig`, UploadId: 'other' }]);
    await send();
    expect(names()).not.toContain('AbortMultipartUpload');
    expect(sent.at(-1)?.input.UploadId).toBe('new');
  });

  it('ends uploads of the same key by which other bytes may have been sent', async () => {
    unfinished([
      { Key: 'model.bin', UploadId: 'one' },
      { Key: 'model.bin', UploadId: 'two' },
    ]);
    await send({}, { key: 'model.bin' });
    const ended = sent.filter(({ name }) => name === 'AbortMultipartUploadCommand').map(({ input }) => input);
    expect(ended).toEqual(['two', 'one'].map((UploadId) => ({ Bucket: 'b', Key: 'model.bin', UploadId })));
    expect(sent.at(-1)?.input.UploadId).toBe('new');
  });

  it('knows its uploads by the start of its hash in their key', async () => {
    const key = `flowers-${SHA256.slice(0, 16)}.zip`;
    unfinished([{ Key: key, UploadId: 'old' }]);
    await send({}, { key });
    expect(sent.at(-1)?.input.UploadId).toBe('old');
  });

  it.each([
    ['in parts', 5 * MIB],
    ['in one request', 16 * MIB],
  ])('leaves nothing there where it is not what was hashed: %s', async (_, partBytes) => {
    const sha256 = 'f'.repeat(64);
    await expect(send({ partBytes, sha256 })).rejects.toMatchObject({
      code: 'DATA_INVALID',
      message: expect.stringContaining(`What was being sent to s3://b/${KEY} changed while it was read`),
    });
    expect(names()).not.toContain('CompleteMultipartUpload');
    expect(names()).not.toContain('PutObject');
    if (partBytes === 5 * MIB)
      expect(sent.at(-1)).toEqual({
        name: 'AbortMultipartUploadCommand',
        input: { Bucket: 'b', Key: KEY, UploadId: 'new' },
      });
  });

  it('holds four parts in memory at most', async () => {
    let [now, most] = [0, 0];
    answers.UploadPartCommand = async () => {
      most = Math.max(most, ++now);
      await new Promise(setImmediate);
      now--;
      return { ETag: '"e"' };
    };
    const body = Buffer.alloc(41 * MIB);
    await send({ sha256: createHash('sha256').update(body).digest('hex') }, { body });
    expect(sentParts()).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(most).toBeLessThanOrEqual(4);
  });

  it('ends with the first part that fails, and says what could not be written', async () => {
    answers.UploadPartCommand = () => {
      throw Object.assign(new Error('no'), { name: 'AccessDenied', $metadata: { httpStatusCode: 403 } });
    };
    await expect(send()).rejects.toMatchObject({
      code: 'ACCESS_DENIED',
      message: expect.stringContaining(`Cannot write s3://b/${KEY}`),
    });
    expect(names()).not.toContain('CompleteMultipartUpload');
  });
});
