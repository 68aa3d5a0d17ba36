import { createHash } from 'node:crypto';
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { S3Store } from '../../../src/aws/s3-store.js';
import { readAwsSettings } from '../../../src/aws/settings.js';
import { answer, FAULTS, FakeServer, type Received } from '../../support/fake-server.js';
import { CANARIES } from '../../support/moto.js';

const [id, key] = CANARIES;
const { signal } = new AbortController();
const address = { bucket: 'flowers', key: 'data/v1' };
const BODY = Buffer.from('a red flower');
const SHA256 = createHash('sha256').update(BODY).digest('hex');
const BASE64 = createHash('sha256').update(BODY).digest('base64');

let server: FakeServer;
let store: S3Store;
/** What S3 answers, and how. */
let respond: (response: ServerResponse, request: Received) => void;
beforeEach(async () => {
  respond = (response) => answer(response, 200, '');
  server = await FakeServer.start((request, response) => respond(response, request));
  const keys = { AWS_ACCESS_KEY_ID: id, AWS_SECRET_ACCESS_KEY: key };
  store = await S3Store.open(readAwsSettings({ ...keys, AWS_ENDPOINT_URL: server.url, AWS_REGION: 'eu-west-1' }));
});
afterEach(async () => {
  vi.restoreAllMocks();
  store.close();
  await server.close();
});

const answering = (body: string | Uint8Array, headers: Record<string, string> = {}, status = 200) => {
  respond = (response) => answer(response, status, body, headers);
};
const refusing = (status: number, code: string) =>
  answering(`<Error><Code>${code}</Code><Message>in its own words</Message></Error>`, {}, status);
const asked = () => server.requests.map(({ method, path }) => `${method} ${path}`);
const last = () => server.requests.at(-1) as Received;

describe('an object in S3', () => {
  it('is looked at without its bytes', async () => {
    answering('', { 'content-length': '12', etag: '"e1"', 'x-amz-meta-sha256': SHA256 });
    expect(await store.head(address, signal)).toEqual({ key: 'data/v1', bytes: 12, etag: '"e1"', sha256: SHA256 });
    expect(asked()).toEqual(['HEAD /flowers/data/v1']);
  });

  it('that another program wrote has no SHA-256', async () => {
    answering('', { 'content-length': '12', etag: '"e1"' });
    expect(await store.head(address, signal)).toEqual({ key: 'data/v1', bytes: 12, etag: '"e1"', sha256: undefined });
  });

  it('that is not there is null to look at, and an error to read', async () => {
    refusing(404, 'NoSuchKey');
    expect(await store.head(address, signal)).toBeNull();
    await expect(store.read(address, signal)).rejects.toMatchObject({
      code: 'REMOTE_NOT_FOUND',
      message: 'Cannot read s3://flowers/data/v1: it is not there',
    });
  });

  it('that may not be looked at is no object that is not there', async () => {
    refusing(403, 'AccessDenied');
    await expect(store.head(address, signal)).rejects.toMatchObject({
      code: 'ACCESS_DENIED',
      message: expect.stringMatching('^Cannot look at s3://flowers/data/v1: '),
    });
  });

  it('is read whole, with its ETag', async () => {
    answering(BODY, { etag: '"e1"' });
    expect(await store.read(address, signal)).toEqual({ body: BODY, etag: '"e1"' });
    expect(asked()).toEqual(['GET /flowers/data/v1']);
  });

  it('may be empty', async () => {
    expect(await store.read(address, signal)).toEqual({ body: Buffer.alloc(0), etag: undefined });
  });

  it('comes as a stream, from its start or from a byte', async () => {
    answering(BODY);
    const whole = await store.open(address, signal);
    expect([whole.bytes, await buffer(whole.body)]).toEqual([12, BODY]);
    expect(last().headers.range).toBeUndefined();
    answering(BODY.subarray(2), {}, 206);
    const rest = await store.open(address, signal, 2);
    expect([rest.bytes, await buffer(rest.body)]).toEqual([10, BODY.subarray(2)]);
    expect(last().headers.range).toBe('bytes=2-');
  });

  it('comes as a stream where S3 does not say how many bytes it has', async () => {
    respond = (response) => void response.writeHead(200).end(BODY);
    const { body, bytes } = await store.open(address, signal);
    expect([bytes, await buffer(body)]).toEqual([0, BODY]);
  });

  it('that cannot be opened is told by its address', async () => {
    refusing(403, 'AccessDenied');
    await expect(store.open(address, signal)).rejects.toThrow('Cannot read s3://flowers/data/v1: these AWS');
  });
});

describe('what is written to S3', () => {
  it('goes with its SHA-256, for S3 to check and for who looks at it', async () => {
    await store.write(address, BODY, SHA256, signal);
    expect(asked()).toEqual(['PUT /flowers/data/v1']);
    expect(last().body).toEqual(BODY);
    expect(last().headers).toMatchObject({ 'x-amz-checksum-sha256': BASE64, 'x-amz-meta-sha256': SHA256 });
  });

  it.each([
    ['whatever is there', undefined, undefined, undefined],
    ['nothing', null, '*', undefined],
    ['one version', '"e1"', undefined, '"e1"'],
  ])('replaces %s', async (_, only, none, match) => {
    await store.write(address, BODY, SHA256, signal, only);
    expect([last().headers['if-none-match'], last().headers['if-match']]).toEqual([none, match]);
  });

  it('is a conflict where something else is there', async () => {
    refusing(412, 'PreconditionFailed');
    await expect(store.write(address, BODY, SHA256, signal, null)).rejects.toMatchObject({
      code: 'REMOTE_CONFLICT',
      message: expect.stringMatching('^Cannot write s3://flowers/data/v1: '),
    });
  });
});

describe('a listing of S3', () => {
  const page = (keys: readonly string[], next?: string) => {
    const objects = keys.map(
      (name, at) => `<Contents><Key>${name}</Key><Size>${at}</Size><ETag>"${name}"</ETag></Contents>`,
    );
    const more = next === undefined ? '' : `<NextContinuationToken>${next}</NextContinuationToken>`;
    return `<ListBucketResult>${objects.join('')}${more}</ListBucketResult>`;
  };
  const list = async () => {
    const found = [];
    for await (const object of store.list(address, signal)) found.push(object);
    return found;
  };

  it('goes on to the last page, below the folder alone', async () => {
    respond = (response, { query }) =>
      answer(
        response,
        200,
        query.get('continuation-token') === 'more/1' ? page(['data/v1/c']) : page(['data/v1/a', 'data/v1/b'], 'more/1'),
      );
    expect(await list()).toEqual([
      { key: 'data/v1/a', bytes: 0, etag: '"data/v1/a"' },
      { key: 'data/v1/b', bytes: 1, etag: '"data/v1/b"' },
      { key: 'data/v1/c', bytes: 0, etag: '"data/v1/c"' },
    ]);
    expect(asked()).toEqual(['GET /flowers', 'GET /flowers'].map((line) => expect.stringMatching(`^${line}/?$`)));
    expect(server.requests.map(({ query }) => [query.get('list-type'), query.get('prefix')])).toEqual([
      ['2', 'data/v1/'],
      ['2', 'data/v1/'],
    ]);
  });

  it('may be empty', async () => {
    answering(page([]));
    expect(await list()).toEqual([]);
    expect(server.requests).toHaveLength(1);
  });

  it('that is refused is told by the address', async () => {
    refusing(404, 'NoSuchBucket');
    await expect(list()).rejects.toThrow('Cannot list s3://flowers/data/v1: the bucket does not exist');
  });
});

describe('what is removed from S3', () => {
  const keysOf = ({ body }: Received) => [...body.toString().matchAll(/<Key>(.*?)<\/Key>/g)].map(([, name]) => name);
  const many = (count: number) => Array.from({ length: count }, (_, at) => `data/${at}`);
  beforeEach(() => answering('<DeleteResult></DeleteResult>'));

  it.each([
    [0, []],
    [1, [1]],
    [1000, [1000]],
    [2001, [1000, 1000, 1]],
  ])('are %i objects, in requests of at most 1000', async (count, sizes) => {
    const keys = many(count);
    await store.remove('flowers', keys, signal);
    expect(server.requests.map((request) => keysOf(request).length)).toEqual(sizes);
    expect(server.requests.flatMap(keysOf)).toEqual(keys);
  });

  it('is asked for in the bucket, with an answer that names what is kept alone', async () => {
    await store.remove('flowers', ['data/a'], signal);
    expect(asked()).toEqual([expect.stringMatching('^POST /flowers/?$')]);
    expect(last().query.has('delete')).toBe(true);
    expect(last().body.toString()).toContain('<Quiet>true</Quiet>');
  });

  it('is told where S3 keeps some of it, though it answers 200', async () => {
    const kept = `<Error><Key>data/b</Key><Code>AccessDenied</Code><Message>not with ${key}</Message></Error>`;
    answering(`<DeleteResult>${kept}</DeleteResult>`);
    const error = await store.remove('flowers', ['data/a', 'data/b'], signal).catch((thrown) => thrown);
    expect(error).toMatchObject({
      code: 'ACCESS_DENIED',
      message: 'Cannot remove s3://flowers/data/b: these AWS credentials may not do that',
      cause: { name: 'AccessDenied', message: 'not with ***' },
    });
  });

  it('is told where the whole is refused', async () => {
    refusing(404, 'NoSuchBucket');
    await expect(store.remove('flowers', ['a'], signal)).rejects.toThrow(
      'Cannot remove objects from s3://flowers: the bucket does not exist',
    );
  });
});

const CALLS: [string, (signal: AbortSignal) => Promise<unknown>][] = [
  ['head', (signal) => store.head(address, signal)],
  ['read', (signal) => store.read(address, signal)],
  ['open', (signal) => store.open(address, signal)],
  ['write', (signal) => store.write(address, BODY, SHA256, signal)],
  ['list', (signal) => store.list(address, signal).next()],
  ['remove', (signal) => store.remove('flowers', ['data/a'], signal)],
];

describe('a request to S3', () => {
  it.each(CALLS)("to %s sends nothing once aborted, and ends with the signal's reason", async (_, call) => {
    const reason = new Error('enough');
    await expect(call(AbortSignal.abort(reason))).rejects.toBe(reason);
    expect(server.requests).toEqual([]);
  });

  it('that is aborted meanwhile leaves its connection', async () => {
    const stop = new AbortController();
    let left: Promise<unknown> | undefined;
    respond = (response) => {
      left = once(response, 'close');
      stop.abort(new Error('enough'));
    };
    await expect(store.read(address, stop.signal)).rejects.toThrow('enough');
    await left;
  });

  it('is sent again while S3 is busy, up to five times', async () => {
    // The SDK waits for a part of a time that is drawn.
    vi.spyOn(Math, 'random').mockReturnValue(0);
    answering(BODY);
    server.fail(/^GET/, FAULTS.status(503), 3);
    server.fail(/^GET/, FAULTS.hangUp);
    expect((await store.read(address, signal)).body).toEqual(BODY);
    expect(server.requests).toHaveLength(5);
    server.fail(/^GET/, FAULTS.status(503), 9);
    await expect(store.read(address, signal)).rejects.toMatchObject({ code: 'NETWORK_FAILED' });
    expect(server.requests).toHaveLength(10);
  });

  it('leaves no connection behind where the store is closed', async () => {
    const ports: (number | undefined)[] = [];
    respond = (response) => {
      ports.push(response.socket?.remotePort);
      answer(response, 200, BODY);
    };
    await store.read(address, signal);
    store.close();
    await store.read(address, signal);
    expect(new Set(ports).size).toBe(2);
  });
});
