import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { S3Store } from '../../../src/aws/s3-store.js';
import { T2IError } from '../../../src/errors.js';
import { Bucket } from '../../../src/server/images/bucket.js';
import { MemoryBucket } from '../../support/memory-bucket.js';
import { memoryServer } from '../../support/memory-server.js';
import { OFFLINE } from '../../support/offline-store.js';

const PLACE = { s3: 's3://flowers/served', ttl: 60_000 };
const NAME = `${'a'.repeat(22)}.png`;
const PATH = '/v1/images/generations';
const ASK = { prompt: 'a red apple', steps: 2, seed: 7, response_format: 'url', output_format: 'webp' };

interface Command {
  readonly constructor: { readonly name: string };
  readonly input: Readonly<Record<string, unknown>>;
}
type Send = (command: Command, options: { readonly abortSignal: AbortSignal }) => Promise<unknown>;

let s3: MemoryBucket;
let store: S3Store;
let closed: ReturnType<typeof vi.spyOn>;

beforeEach(async () => {
  s3 = new MemoryBucket();
  store = await s3.store();
  closed = vi.spyOn(store.client, 'destroy');
  vi.spyOn(S3Store, 'open').mockResolvedValue(store);
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
});

/** Lets S3 answer otherwise; what it would have answered is asked for by `usual`. */
function answering(answer: (...asked: [...Parameters<Send>, usual: () => Promise<unknown>]) => Promise<unknown>): void {
  const { client } = store as unknown as { client: { send: Send } };
  const usual = client.send;
  client.send = (command, options) => answer(command, options, () => usual(command, options));
}

const tomorrow = () => ({ 'expires-at': new Date(Date.now() + 86_400_000).toISOString() });
const open = (patience?: number) => Bucket.open(PLACE, OFFLINE, patience);
const failure = (name: string, httpStatusCode: number) =>
  Object.assign(new Error(name), { name, $metadata: { httpStatusCode } });

describe('images in S3', () => {
  it('are kept below the address, with their type and the end of their time, and answered', async () => {
    vi.useFakeTimers({ toFake: ['Date'], now: Date.UTC(2026, 0, 1) });
    vi.stubEnv('AWS_REGION', 'eu-west-3');
    const server = await memoryServer({ imageStore: PLACE });
    expect(S3Store.open).toHaveBeenCalledWith(expect.objectContaining({ region: 'eu-west-3' }));
    const { body } = await server.post(PATH, ASK);
    const path = new URL(body.data[0].url).pathname;
    const key = `served/${path.split('/').at(-1)}`;
    expect(s3.keys()).toEqual([key, 'served/t2i-check'].sort());
    expect(s3.objects.get(key)).toMatchObject({
      ...{ type: 'image/webp', metadata: { 'expires-at': '2026-01-01T00:01:00.000Z' } },
    });
    const response = await server.app.request(path);
    expect([response.status, response.headers.get('content-type')]).toEqual([200, 'image/webp']);
    expect(Buffer.from(await response.arrayBuffer())).toEqual(s3.objects.get(key)?.body);
    expect(closed).not.toHaveBeenCalled();
    await server.server.close();
    expect(closed).toHaveBeenCalledOnce();
  });

  it('are answered until their time is over, and then not even read', async () => {
    vi.useFakeTimers({ toFake: ['Date'] });
    const bucket = await open();
    await bucket.write(NAME, Buffer.from('image'), 'image/png');
    vi.setSystemTime(Date.now() + PLACE.ttl - 1);
    expect(Buffer.from((await bucket.read(NAME)) as Uint8Array).toString()).toBe('image');
    vi.setSystemTime(Date.now() + 1);
    let body: { destroyed: boolean; readableDidRead: boolean } | undefined;
    answering(async (_command, _options, usual) => {
      const answer = (await usual()) as { Body: NonNullable<typeof body> };
      body = answer.Body;
      return answer;
    });
    expect(await bucket.read(NAME)).toBeNull();
    expect(body).toMatchObject({ destroyed: true, readableDidRead: false });
  });

  it('are none of the objects that say nothing of a time, or are too large for an image', async () => {
    const bucket = await open();
    s3.put(`served/${NAME}`, 'foreign');
    expect(await bucket.read(NAME)).toBeNull();
    s3.put(`served/${NAME}`, 'foreign', { 'expires-at': 'never' });
    expect(await bucket.read(NAME)).toBeNull();
    s3.put(`served/${NAME}`, 'foreign', tomorrow());
    let ContentLength: number | undefined = 64 << 20;
    answering(async (_command, _options, usual) => ({ ...((await usual()) as object), ContentLength }));
    expect(await bucket.read(NAME)).not.toBeNull();
    for (const bytes of [(64 << 20) + 1, undefined]) {
      ContentLength = bytes;
      expect(await bucket.read(NAME)).toBeNull();
    }
  });

  it('are missing where the bucket is there without them, and cannot be had where it is not', async () => {
    const bucket = await open();
    expect(await bucket.read(NAME)).toBeNull();
    for (const [name, status, code] of [
      ['NoSuchBucket', 404, 'REMOTE_NOT_FOUND'],
      ['AccessDenied', 403, 'ACCESS_DENIED'],
    ] as const) {
      answering(() => Promise.reject(failure(name, status)));
      const refused = {
        ...{ status: 503, code: 'image_store_unavailable', retryAfter: 1 },
        cause: expect.objectContaining({ code }),
      };
      await expect(bucket.read(NAME)).rejects.toMatchObject(refused);
      await expect(bucket.write(NAME, Buffer.from('image'), 'image/png')).rejects.toMatchObject(refused);
    }
  });

  it.each([
    ['written', 'PutObjectCommand', /^Cannot write s3:\/\/flowers\/served\/t2i-check/],
    ['read', 'GetObjectCommand', /^Cannot read s3:\/\/flowers\/served\/t2i-check/],
  ])('let no server start where they cannot be %s, and leave no connection behind', async (_, refused, message) => {
    answering(({ constructor: { name } }, _options, usual) =>
      name === refused ? Promise.reject(failure('AccessDenied', 403)) : usual(),
    );
    await expect(open()).rejects.toMatchObject({ code: 'ACCESS_DENIED', message: expect.stringMatching(message) });
    expect(closed).toHaveBeenCalledOnce();
  });

  it.each([
    ['read', (bucket: Bucket) => bucket.read(NAME)],
    ['written', (bucket: Bucket) => bucket.write(NAME, Buffer.from('image'), 'image/png')],
  ])('are not waited for longer than there is patience where they are %s', async (_, ask) => {
    const bucket = await open(2000);
    const over = new AbortController();
    const patience = vi.spyOn(AbortSignal, 'timeout').mockReturnValue(over.signal);
    answering(
      (_command, { abortSignal }) =>
        new Promise((_resolve, reject) => {
          abortSignal.addEventListener('abort', () => reject(new Error('aborted')));
          over.abort(new DOMException('over', 'TimeoutError'));
        }),
    );
    const { cause } = await Promise.resolve(ask(bucket)).catch((error) => error);
    expect(patience).toHaveBeenCalledWith(2000);
    expect(T2IError.is(cause)).toBe(true);
    expect(cause).toMatchObject({
      ...{ code: 'NETWORK_FAILED', message: expect.stringMatching(/no answer within 2 s/) },
      hint: expect.stringContaining('endpoint'),
    });
  });
});
