import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { GetObjectCommand, ListObjectsV2Command, PutObjectCommand } from '@aws-sdk/client-s3';
import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { readAwsSettings } from '../../../src/aws/settings.js';
import { Bucket } from '../../../src/server/images/bucket.js';
import { checkServerOptions, type ServerOptions } from '../../../src/server/options.js';
import { type MemoryServer, memoryServer } from '../../support/memory-server.js';
import { CANARIES, type Moto, OPS, startMoto } from '../../support/moto.js';
import { skipFor } from '../../support/skip-for.js';

const PATH = '/v1/images/generations';
const ASK = { prompt: 'a red apple', steps: 3, seed: 7, response_format: 'url', output_format: 'webp' };
const PLACE = { s3: 's3://pictures/served/images', ttl: 60_000 };

async function kept(server: MemoryServer): Promise<string> {
  const { status, body } = await server.post(PATH, ASK);
  expect(status).toBe(200);
  return new URL(body.data[0].url).pathname;
}

describe('images in S3', skipFor(OPS.lack), () => {
  let moto: Moto;
  beforeAll(async () => {
    moto = await startMoto();
    await moto.makeBucket('pictures');
  });
  afterAll(() => moto?.close());
  afterEach(() => {
    vi.useRealTimers();
    vi.unstubAllEnvs();
  });

  const open = async (options: ServerOptions = {}, env: Readonly<Record<string, string>> = moto.env) => {
    for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
    return memoryServer({ imageStore: PLACE, ...options });
  };
  const put = (name: string, Body: Uint8Array, Metadata?: Record<string, string>) =>
    moto.s3.send(new PutObjectCommand({ Bucket: 'pictures', Key: `served/images/${name}`, Body, Metadata }));
  const tomorrow = () => ({ 'expires-at': new Date(Date.now() + 86_400_000).toISOString() });

  it('are answered by any server with the same place, as the one that kept them does', async () => {
    const [one, two] = [await open(), await open()];
    const path = await kept(one);
    const [here, there] = await Promise.all([one, two].map(({ app }) => app.request(path)));
    const bytes = await there?.arrayBuffer();
    expect([there?.status, there?.headers.get('content-type')]).toEqual([200, 'image/webp']);
    expect(bytes).toEqual(await here?.arrayBuffer());
    const Key = `served/images/${path.split('/').at(-1)}`;
    const object = await moto.s3.send(new GetObjectCommand({ Bucket: 'pictures', Key }));
    expect(object).toMatchObject({ ContentType: 'image/webp', ContentLength: bytes?.byteLength });
    const left = Date.parse(object.Metadata?.['expires-at'] ?? '') - Date.now();
    expect(left).toBeGreaterThan(0);
    expect(left).toBeLessThanOrEqual(PLACE.ttl);
  });

  it('are answered until their own time is over, though the objects are still there', async () => {
    const server = await open();
    vi.useFakeTimers({ toFake: ['Date'] });
    const path = await kept(server);
    vi.setSystemTime(Date.now() + PLACE.ttl - 1);
    expect((await server.app.request(path)).status).toBe(200);
    vi.setSystemTime(Date.now() + 1);
    expect((await server.get(path)).body.error).toMatchObject({ code: 'not_found' });
    const { Contents } = await moto.s3.send(new ListObjectsV2Command({ Bucket: 'pictures' }));
    expect(Contents?.some(({ Key }) => Key?.endsWith(path.split('/').at(-1) as string))).toBe(true);
  });

  it('are none of the objects that others put there', async () => {
    const server = await open();
    const name = (letter: string) => `${letter.repeat(22)}.png`;
    await put(name('a'), Buffer.from('foreign'));
    await put(name('b'), Buffer.from('foreign'), { 'expires-at': 'never' });
    await put(name('c'), Buffer.alloc((64 << 20) + 1), tomorrow());
    await put('readme.txt', Buffer.from('foreign'), tomorrow());
    await put('../secret.png', Buffer.from('foreign'), tomorrow());
    const names = [
      name('a'),
      name('b'),
      name('c'),
      name('d'),
      'readme.txt',
      't2i-check',
      '../secret.png',
      '..%2fsecret.png',
    ];
    for (const each of names) expect((await server.get(`/v1/images/files/${each}`)).status, each).toBe(404);
    // Whatever the object says of itself, it is answered as the image that its name says.
    await put(name('e'), Buffer.from('<script>'), tomorrow());
    const response = await server.app.request(`/v1/images/files/${name('e')}`);
    expect(['content-type', 'x-content-type-options'].map((each) => response.headers.get(each))).toEqual([
      ...['image/png', 'nosniff'],
    ]);
  });

  it('let no server start where they cannot be kept, and say why without the keys', async () => {
    const away = { ...moto.env, AWS_ENDPOINT_URL: 'http://127.0.0.1:9' };
    const failures = [
      [() => open({ imageStore: { ...PLACE, s3: 's3://no-such-bucket/images' } }), 'REMOTE_NOT_FOUND'],
      [() => open({}, away), 'NETWORK_FAILED'],
      [() => open({}, { ...moto.env, AWS_REGION: 'Mars' }), 'OPTION_INVALID'],
    ] as const;
    for (const [start, code] of failures) {
      const error = await start().then(
        () => null,
        (reason: unknown) => reason,
      );
      expect(error).toMatchObject({ code });
      const told = JSON.stringify([error, (error as Error).stack, String((error as Error).cause)]);
      for (const canary of CANARIES) expect(told).not.toContain(canary);
    }
  });

  it('are not waited for without end', async () => {
    const silent = createServer().listen(0, '127.0.0.1');
    onTestFinished(() => void silent.close());
    await once(silent, 'listening');
    const { port } = silent.address() as AddressInfo;
    const settings = readAwsSettings({ ...moto.env, AWS_ENDPOINT_URL: `http://127.0.0.1:${port}` });
    const error = {
      code: 'NETWORK_FAILED',
      message: expect.stringContaining('s3://pictures/served/images/t2i-check: no answer'),
    };
    await expect(Bucket.open(PLACE, settings, 200)).rejects.toMatchObject(error);
  });

  it('are refused with 503 while S3 is away, and the log says why without the keys', async () => {
    const own = await startMoto();
    await own.makeBucket('pictures');
    const server = await open({}, own.env);
    const path = await kept(server);
    await own.close();
    for (const { status, headers, body } of [await server.post(PATH, ASK), await server.get(path)]) {
      expect([status, headers.get('retry-after'), body.error.code]).toEqual([503, '1', 'image_store_unavailable']);
    }
    expect(server.logged()).toContain('NETWORK_FAILED');
    for (const canary of CANARIES) expect(server.logged()).not.toContain(canary);
    expect((await server.post(PATH, { ...ASK, response_format: 'b64_json' })).status).toBe(200);
  });
});

describe('an image store', () => {
  const optionsOf = (imageStore: object) => () => checkServerOptions({ imageStore } as ServerOptions);

  it('is a folder or a place in S3, with a time', () => {
    optionsOf({ dir: 'images', ttl: 1000, maxBytes: 5 })();
    optionsOf(PLACE)();
    const wrong: readonly (readonly [object, readonly string[]])[] = [
      [{}, ['imageStore.dir', 'imageStore.ttl']],
      [{ ...PLACE, dir: 'images' }, ['imageStore.s3']],
      [{ ...PLACE, maxBytes: 5 }, ['imageStore.maxBytes']],
      [{ ...PLACE, s3: 's3://pictures' }, ['imageStore.s3']],
      [{ ...PLACE, s3: 'https://pictures/x', ttl: 1 }, ['imageStore.ttl', 'imageStore.s3']],
    ];
    for (const [options, names] of wrong) {
      const issues = names.map((option) => expect.objectContaining({ option }));
      expect(optionsOf(options), JSON.stringify(options)).toThrow(expect.objectContaining({ issues }));
    }
  });
});
