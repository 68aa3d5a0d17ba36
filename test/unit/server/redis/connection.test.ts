import { EventEmitter } from 'node:events';
import type { Redis } from 'ioredis';
import { describe, expect, it, vi } from 'vitest';
import {
  checkVersion,
  connect,
  loadPackages,
  type RedisPackages,
  reconnected,
} from '../../../../src/server/redis/connection.js';
import { settled } from '../../../support/fake-clock.js';

const URL_WITH_SECRET = 'redis://name:canary@here:6379/1';

/** The package of a Redis that answers as the test says. */
function fakeRedis(answer: { connect?: () => Promise<void>; info?: string } = {}) {
  const made: { url: string; options: Record<string, unknown>; disconnect: () => void }[] = [];
  class Fake extends EventEmitter {
    readonly disconnect = vi.fn();
    constructor(
      readonly url: string,
      readonly options: Record<string, unknown>,
    ) {
      super();
      made.push(this);
    }
    async connect() {
      await answer.connect?.call(this);
    }
    async info() {
      return answer.info ?? '# Server\r\nredis_version:7.0.15\r\n';
    }
  }
  return { packages: { Redis: Fake } as unknown as RedisPackages, made };
}

describe('the packages of a shared queue', () => {
  it('are loaded when they are needed', async () => {
    const { bullmq, Redis } = await loadPackages();
    expect([typeof bullmq.Queue, typeof Redis]).toEqual(['function', 'function']);
  });

  it('are said to be missing, with the command that installs them', async () => {
    const cause = Object.assign(new Error('no'), { code: 'ERR_MODULE_NOT_FOUND' });
    const error = { code: 'BACKEND_UNAVAILABLE', hint: 'Run: npm i bullmq ioredis', cause };
    await expect(loadPackages(() => Promise.reject(cause))).rejects.toMatchObject(error);
  });
});

describe('a connection to Redis', () => {
  it.each([
    ['fails at once where Redis is away', 'fails', { enableOfflineQueue: false, maxRetriesPerRequest: 0 }],
    ['waits until Redis is back', 'waits', { enableOfflineQueue: true, maxRetriesPerRequest: null }],
  ] as const)('that is told so %s', async (_, patience, options) => {
    const { packages, made } = fakeRedis();
    const client = await connect(packages, 'redis://here', patience);
    expect(made[0]).toBe(client);
    expect(made[0]?.url).toBe('redis://here');
    expect(made[0]?.options).toMatchObject({ ...options, lazyConnect: true, socketTimeout: 15_000 });
    expect(made[0]?.disconnect).not.toHaveBeenCalled();
  });

  it('is made again ever more slowly, every two seconds at last', async () => {
    const { packages, made } = fakeRedis();
    await connect(packages, 'redis://here', 'fails', 100);
    const { retryStrategy, socketTimeout } = made[0]?.options ?? {};
    const pauses = [1, 2, 20, 21, 1000].map((times) => (retryStrategy as (times: number) => number)(times));
    expect([pauses, socketTimeout]).toEqual([[100, 200, 2000, 2000, 2000], 100]);
  });

  it('that breaks off later throws nothing by itself', async () => {
    const client = await connect(fakeRedis().packages, 'redis://here', 'fails');
    expect(() => client.emit('error', new Error('reset'))).not.toThrow();
  });

  it.each<[what: string, thrown: unknown, told: RegExp, event?: Error]>([
    ['the first line of its reason', new Error('refused\nSET key'), /: refused$/],
    ['the first of several reasons', new AggregateError([new Error('one'), new Error('two')]), /: one$/],
    ['the kind of a reason without words', new RangeError(''), /: RangeError$/],
    [
      'what the connection itself said',
      new Error('Connection is closed.'),
      /: ECONNREFUSED$/,
      new Error('ECONNREFUSED'),
    ],
  ])('that cannot be made says %s, and no password', async (_, thrown, told, event) => {
    const { packages, made } = fakeRedis({
      connect(this: void) {
        if (event) (made[0] as unknown as EventEmitter).emit('error', event);
        return Promise.reject(thrown);
      },
    });
    const error = await connect(packages, URL_WITH_SECRET, 'fails').catch((reason) => reason);
    expect(error).toMatchObject({ code: 'NETWORK_FAILED', hint: expect.stringContaining('T2I_REDIS_URL') });
    expect(error.message).toMatch(/Redis at here:6379/);
    expect(error.message).toMatch(told);
    expect(JSON.stringify([error, error.message, error.hint, String(error.cause)])).not.toContain('canary');
    expect(made[0]?.disconnect).toHaveBeenCalled();
  });

  it('is not kept to a Redis that is too old', async () => {
    const { packages, made } = fakeRedis({ info: 'redis_version:6.0.20\r\n' });
    const error = { code: 'BACKEND_UNAVAILABLE', hint: expect.stringMatching(/newer Redis/) };
    await expect(connect(packages, 'redis://here', 'fails')).rejects.toMatchObject(error);
    expect(made[0]?.disconnect).toHaveBeenCalled();
  });

  it('is made to Redis 6.2 and newer', () => {
    for (const version of ['6.2.0', '6.10.1', '7.0.15', '10.0.1', '8.0-rc1']) {
      expect(() => checkVersion(`# Server\r\nredis_version:${version}\r\n`)).not.toThrow();
    }
    for (const version of ['5.0.14', '5.9.0', '6.0.20', '6.1.0', '0.0']) {
      expect(() => checkVersion(`redis_version:${version}\r\n`)).toThrow(
        `needs Redis 6.2 or newer; this is ${version}`,
      );
    }
    for (const info of ['', 'redis_version:\r\n', 'valkey 8', ' redis_version:7.0']) {
      expect(() => checkVersion(info)).toThrow(/needs Redis 6.2 or newer; this is unknown/);
    }
  });
});

describe('who waits for a connection', () => {
  const waiting = async (status: string) => {
    const client = Object.assign(new EventEmitter(), { status });
    const done = vi.fn();
    void reconnected(client as unknown as Redis).then(done);
    await settled();
    return { client, done };
  };

  it.each(['ready', 'end'])('does not wait where it is %s', async (status) => {
    expect((await waiting(status)).done).toHaveBeenCalled();
  });

  it.each(['ready', 'end'])('waits until it is %s', async (event) => {
    const { client, done } = await waiting('reconnecting');
    expect(done).not.toHaveBeenCalled();
    client.emit(event);
    await settled();
    expect(done).toHaveBeenCalled();
  });
});
