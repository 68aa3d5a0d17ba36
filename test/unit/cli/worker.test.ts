import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Interrupted } from '../../../src/cli/io.js';
import { main } from '../../../src/cli/main.js';
import { T2IError } from '../../../src/errors.js';
import type { Describe } from '../../../src/server/models/find-models.js';
import type { Worker, WorkerOptions } from '../../../src/server/worker.js';
import { fakeIo } from '../../support/fake-io.js';

/** In the place of a worker, which draws for a Redis: what it was started with, and what it does when it is asked to end. */
const fake = vi.hoisted(() => ({
  options: [] as WorkerOptions[],
  start: async (_describe: Describe, _options: WorkerOptions) => {},
  drains: [] as number[],
  closed: 0,
  done: true,
  broken: new Promise<never>(() => {}) as Worker['broken'],
}));
vi.mock('../../../src/server/worker.js', () => ({
  async createWorkerWith(describe: Describe, options: WorkerOptions): Promise<Worker> {
    fake.options.push(options);
    await fake.start(describe, options);
    const close = async () => void fake.closed++;
    const drain = async (timeout: number) => {
      fake.drains.push(timeout);
      return fake.done;
    };
    return { models: ['tiny', 'other'], broken: fake.broken, drain, close, [Symbol.asyncDispose]: close };
  },
}));

const TINY = fileURLToPath(new URL('../../fixtures/tiny', import.meta.url));

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 't2i-worker-'));
  const start = async () => {};
  Object.assign(fake, { options: [], start, drains: [], closed: 0, done: true, broken: new Promise(() => {}) });
});
afterEach(() => rmSync(folder, { recursive: true }));

/** Runs it until it says that it waits, then ends it. */
async function worker(argv: readonly string[] = [], env: Readonly<Record<string, string>> = {}) {
  const end = new AbortController();
  const onErr = (text: string) => text.includes('waits for orders') && end.abort(new Interrupted('SIGTERM'));
  const io = fakeIo({ cwd: folder, env, signal: end.signal, onErr });
  return { code: await main(['worker', ...argv], io), out: io.out(), err: io.err() };
}
const REDIS = ['--redis', 'redis://queue:6379'];

describe('t2i worker', () => {
  it('draws with its models until it is ended, finishes what it has, and closes them', async () => {
    const { code, out, err } = await worker([
      ...REDIS,
      ...[
        '--redis-lock',
        '5s',
        '--model',
        'tiny',
        'a=other',
        '--memory',
        '1KiB',
        '--batch-window',
        '7ms',
        '--threads',
        '2',
      ],
    ]);
    expect([code, out]).toEqual([0, 'tiny\nother\n']);
    expect(err).toMatch(/^note: waits for orders.*\nnote: finishing what is here, for 25 s at most\n$/);
    expect(fake).toMatchObject({ drains: [25_000], closed: 1 });
    expect(fake.options).toEqual([
      expect.objectContaining({
        ...{ redis: { url: 'redis://queue:6379', lock: 5000 }, memory: 1024, batchWindow: 7, preload: true },
        ...{ models: ['tiny', { id: 'a', model: 'other' }], load: expect.objectContaining({ threads: 2 }) },
      }),
    ]);
  });

  it('tells programs its models, and says what it gives back', async () => {
    fake.done = false;
    const { code, out, err } = await worker([...REDIS, '--json']);
    expect([code, JSON.parse(out)]).toEqual([0, { models: ['tiny', 'other'] }]);
    expect(err).toMatch(/note: what was not done is given back, for others to draw\n$/);
  });

  it('logs on standard error, and reads its models as other commands do', async () => {
    fake.start = async (describe, { log }) => {
      const model = await describe(TINY, 'onnx');
      log?.write(`read ${model.name}\n`);
    };
    const { out, err } = await worker(REDIS);
    expect([out, err]).toEqual(['tiny\nother\n', expect.stringMatching(/^read tiny\n/)]);
  });

  it('tells programs which option is missing where no Redis is named', async () => {
    const { code, out } = await worker(['--json']);
    expect(code).toBe(2);
    expect(JSON.parse(out).error.issues).toEqual([expect.objectContaining({ option: '--redis' })]);
  });

  it('ends as what it runs does where that cannot go on', async () => {
    fake.broken = Promise.resolve(new T2IError('BACKEND_CRASHED', 'it ended too often'));
    const io = fakeIo({ cwd: folder });
    expect(await main(['worker', ...REDIS], io)).toBe(4);
    expect(io.err()).toContain('error: it ended too often');
    expect(fake).toMatchObject({ drains: [], closed: 1 });
  });

  it('finds its Redis in a file or the environment, a flag first', async () => {
    const file = join(folder, 'redis.txt');
    writeFileSync(file, 'redis://:secret-of-file@queue:1\n');
    const env = { T2I_REDIS_URL: 'redis://:secret-of-env@queue:2' };
    await worker([], env);
    await worker(['--redis-file', file], env);
    await worker(REDIS, env);
    expect(fake.options.map(({ redis }) => redis?.url)).toEqual([
      ...['redis://:secret-of-env@queue:2', 'redis://:secret-of-file@queue:1', 'redis://queue:6379'],
    ]);
  });

  it.each([
    [[], /--redis: expected the address of a Redis, received nothing\nhint: .*--redis-file.*T2I_REDIS_URL/],
    [['--redis', 'http://queue'], /--redis: /],
    [['--redis', 'redis://:secret@queue'], /--redis: expected no password; set T2I_REDIS_URL/],
    [[...REDIS, '--redis-file', 'x'], /--redis-file: expected nothing beside --redis/],
    [[...REDIS, '--redis-lock', 'soon'], /--redis-lock: expected a time such as 5ms/],
    [['--redis-lock', '5s'], /--redis-lock: expected nothing without --redis/],
    [['--memory', 'much', '--batch-window', 'x'], /--memory: expected a number of bytes.*\n.*--batch-window: /],
  ])('refuses %j before anything is opened, and shows no secret', async (argv, words) => {
    const { code, out, err } = await worker(argv);
    expect([code, out, err]).toEqual([2, '', expect.stringMatching(words)]);
    expect(err).not.toContain('secret');
    expect(fake.options).toEqual([]);
  });
});
