import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { main } from '../../../src/cli/main.js';
import { parseBytes, parseDuration } from '../../../src/cli/quantities.js';
import { readServeFlags } from '../../../src/cli/serve/flags.js';
import { fakeIo } from '../../support/fake-io.js';

const folder = mkdtempSync(join(tmpdir(), 't2i-serve-flags-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const read = (flags: Record<string, string | boolean | string[]>) => readServeFlags({ args: [], flags }, {});

describe('the flags of t2i serve', () => {
  it('become the options of the server and its sockets', async () => {
    const keys = join(folder, 'keys.txt');
    writeFileSync(keys, '# mine\na-key-that-is-long-enough\n\n');
    const { server, listen } = await read({
      ...{ host: '::1', port: '0', adminPort: '9000', model: ['a', 'b.1=owner/name', './c=d/e'], apiKeyFile: keys },
      ...{ queue: '16', batchWindow: '7ms', imageStore: 'images', ttl: '90s', memory: '1.5GiB', threads: '2' },
      ...{ cors: ['https://example.org'], logPrompts: true },
      ...{ maxImages: '4', maxSide: '512', maxSteps: '30', timeout: '90s' },
    });
    expect(listen).toEqual({ host: '::1', port: 0, adminPort: 9000 });
    expect(server).toMatchObject({
      models: ['a', { id: 'b.1', model: 'owner/name' }, './c=d/e'],
      apiKeys: ['a-key-that-is-long-enough'],
      ...{ queue: 16, batchWindow: 7, memory: 1_610_612_736, preload: true, logPrompts: true },
      imageStore: { dir: expect.stringMatching(/^\/.*images$/), ttl: 90_000 },
      cors: ['https://example.org'],
      load: { threads: 2 },
      limits: { images: 4, side: 512, steps: 30, timeout: 90_000 },
    });
    expect(server.hosts).toEqual(expect.arrayContaining(['localhost', '127.0.0.1', '[::1]']));
  });

  it('keep images in a folder, or in S3', async () => {
    const place = 's3://pictures/served';
    expect((await read({ imageStore: place })).server.imageStore).toEqual({ s3: place, ttl: 3_600_000 });
    for (const imageStore of ['s3://pictures', 's3://A/b', 'S3://pictures/served', 's3:/pictures/served']) {
      const issues = [{ option: '--host' }, { option: '--image-store' }];
      await expect(read({ imageStore, host: '0.0.0.0' }), imageStore).rejects.toMatchObject({ issues });
    }
  });

  it('leave the defaults to the server', async () => {
    const { server, listen } = await read({});
    expect(listen).toEqual({ host: '127.0.0.1', port: undefined, adminPort: undefined });
    expect(server).toMatchObject({ models: undefined, queue: undefined, apiKeys: undefined, logPrompts: false });
    expect(server).not.toHaveProperty('imageStore');
  });

  it('ask for a key where other machines can come in, and let every name of the machine be used there', async () => {
    for (const host of ['0.0.0.0', '192.168.1.2', '::', 'example.org', '127.0.0.1.example.org', '1127.0.0.1']) {
      await expect(read({ host }), host).rejects.toMatchObject({ issues: [{ option: '--host' }] });
      expect((await read({ host, insecure: true })).server.hosts).toBeUndefined();
    }
    for (const host of ['127.0.0.1', '127.100.20.30', 'localhost', '::1'])
      expect((await read({ host })).server.hosts).toContain(host);
  });

  it('let others in who have a key', async () => {
    const apiKeyFile = join(folder, 'others.txt');
    writeFileSync(apiKeyFile, 'a-key-that-is-long-enough\n');
    expect((await read({ host: '0.0.0.0', apiKeyFile })).server).toMatchObject({ apiKeys: [expect.any(String)] });
  });

  it('share the queue over a Redis, drawing or not', async () => {
    const redis = 'redis://queue:6379';
    expect((await read({ redis })).server.redis).toEqual({ url: redis, lock: undefined, draws: true });
    expect((await read({ redis, worker: false })).server.redis).toMatchObject({ draws: false });
    expect((await read({})).server.redis).toBeUndefined();
    const alone = { issues: [{ option: '--no-worker', expected: 'nothing without --redis' }] };
    await expect(read({ worker: false })).rejects.toMatchObject(alone);
    const env = readServeFlags({ args: [], flags: {} }, { T2I_REDIS_URL: 'http://queue' });
    await expect(env).rejects.toMatchObject({ issues: [{ option: 'T2I_REDIS_URL' }] });
  });

  it('are refused together', async () => {
    const wrong = { port: 'x', adminPort: '70000', batchWindow: '5 weeks', memory: 'much', ttl: '1h', timeout: 'soon' };
    const error = await read(wrong).catch((each) => each);
    expect(error.issues.map(({ option }: { option: string }) => option)).toEqual([
      ...['--ttl', '--memory', '--batch-window', '--timeout', '--port', '--admin-port'],
    ]);
  });

  it('are named where the server refuses their values', async () => {
    const io = fakeIo();
    const wrong = ['--max-images', '0', '--max-side', '1e9', '--max-steps', 'few', '--timeout', '1ms', '--queue', '0'];
    expect(await main(['serve', ...wrong], io)).toBe(2);
    const flags = wrong.filter((_, i) => i % 2 === 0);
    for (const flag of flags) expect(io.err()).toMatch(new RegExp(`${flag}: expected .+, received`));
  });

  it.each([
    ['--ttl', ['--image-store', 'images', '--ttl', '1ms'], /milliseconds from 1000 .*received 1$/m],
    ['--backend', ['--backend', 'cuda'], /one of auto, .*received "cuda"$/m],
    ['--threads', ['--threads', '0'], /received 0$/m],
    ['--cors', ['--cors', 'https://a.org', '*'], /received "\*"$/m],
    ['--model', ['--model', ''], /received ""$/m],
  ])('are named with the value that is wrong: %s', async (flag, argv, told) => {
    const io = fakeIo();
    expect(await main(['serve', ...argv], io)).toBe(2);
    expect(io.err()).toMatch(new RegExp(`^error: ${flag}: expected`));
    expect(io.err()).toMatch(told);
  });

  it('name the file of keys that cannot be read, and keep its keys to themselves', async () => {
    await expect(read({ apiKeyFile: join(folder, 'none') })).rejects.toMatchObject({ code: 'IO_FAILED' });
    const file = join(folder, 'short.txt');
    writeFileSync(file, 'secret7\n');
    const io = fakeIo();
    const code = await main(['serve', '--api-key-file', file, '--model', 'test/fixtures/tiny'], io);
    expect(code).toBe(2);
    expect(io.err()).toContain('key 1');
    expect(io.err() + io.out()).not.toContain('secret7');
  });
});

describe('a quantity', () => {
  it.each([
    ['1048576', 1_048_576],
    ['512MiB', 536_870_912],
    ['1.5 GiB', 1_610_612_736],
    ['0.1KiB', 102],
    ['8GB', null],
    ['-1', null],
    ['', null],
    [true, null],
  ])('of bytes: %s', (text, bytes) => {
    expect(parseBytes(text)).toBe(bytes);
  });

  it.each([
    ['5ms', 5],
    ['0', 0],
    ['90s', 90_000],
    ['1.5h', 5_400_000],
    ['10min', 600_000],
    ['1d', null],
    ['h', null],
  ])('of time: %s', (text, milliseconds) => {
    expect(parseDuration(text)).toBe(milliseconds);
  });
});
