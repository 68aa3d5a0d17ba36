import { describe, expect, it } from 'vitest';
import { T2IError } from '../../../src/errors.js';
import { connect, loadPackages } from '../../../src/server/redis/connection.js';
import { createWorker } from '../../../src/server/worker.js';
import { memoryModel, memoryServer } from '../../support/memory-server.js';
import { startRedis } from '../../support/redis.js';
import { TINY } from '../../support/serve-process.js';
import { type SharedServer, sharedServer, streamOf, until } from '../../support/shared-server.js';
import { noCommand, skipFor } from '../../support/skip-for.js';
import { sseEvents } from '../../support/sse.js';

const PATH = '/v1/images/generations';
const body = { prompt: 'a red apple', steps: 20, seed: 7 };

async function errorOf(promise: Promise<unknown>): Promise<T2IError> {
  const error = await promise.then(
    () => null,
    (reason: unknown) => reason,
  );
  if (!T2IError.is(error)) throw new Error(`expected an error of this package, received ${error}`);
  return error;
}

/** What a server answers when the connection is made again, which takes a moment. */
async function answered(server: SharedServer): Promise<number> {
  let last = 503;
  await until(async () => {
    last = (await server.post(PATH, body)).status;
    return last !== 503;
  });
  return last;
}

/** Waits until the metrics of a server say something. */
const hasMetric = (server: SharedServer, line: string) =>
  until(async () => (await server.metrics.registry.metrics()).includes(`${line}\n`));

describe('where Redis is away', skipFor(noCommand('redis-server')), () => {
  it('no server and no worker starts, and no message has the password', async () => {
    const redis = await startRedis(['--requirepass', 'canary-canary']);
    const { host } = new URL(redis.url);
    const wrong = { url: `redis://:wrong-canary@${host}` };
    const errors = [await errorOf(sharedServer(wrong))];
    errors.push(await errorOf(createWorker({ models: [TINY], redis: wrong })));
    const right = { url: `redis://:canary-canary@${host}` };
    expect((await (await sharedServer(right)).post(PATH, body)).status).toBe(200);
    await redis.stop();
    errors.push(await errorOf(sharedServer(right)));
    for (const error of errors) {
      expect(error).toMatchObject({ code: 'NETWORK_FAILED', message: expect.stringContaining(host) });
      expect(JSON.stringify([error, error.message, error.stack, error.hint, String(error.cause)])).not.toContain(
        'canary',
      );
    }
  });

  it('requests are refused with 503, and taken again when it is back', async () => {
    const redis = await startRedis();
    const [asked, drawing] = [await sharedServer(redis, { draws: false }), await sharedServer(redis)];
    expect((await asked.post(PATH, body)).status).toBe(200);
    await redis.stop();
    await hasMetric(asked, 't2i_shared_up 0');
    for (const server of [asked, drawing]) {
      for (const path of [PATH, '/v1/jobs']) {
        const { status, headers, body: answer } = await server.post(path, body);
        expect([status, headers.get('retry-after')]).toEqual([503, '1']);
        expect(answer.error.code).toBe('queue_unavailable');
      }
      expect((await server.get(`/v1/jobs/job_${'x'.repeat(22)}`)).body.error.code).toBe('queue_unavailable');
    }
    await redis.start();
    expect(await answered(asked)).toBe(200);
    expect((await drawing.post(PATH, body)).status).toBe(200);
    await hasMetric(asked, 't2i_shared_up 1');
  });

  it('a request that it has lost is told so, and what draws it goes on to the next', async () => {
    const redis = await startRedis();
    const asked = await sharedServer(redis, { draws: false });
    const model = memoryModel('formula');
    await sharedServer(redis, {}, { model });
    let stopped: Promise<void> | undefined;
    const begun = new Promise<void>((resolve) => {
      model.onStep = (steps) => {
        if (steps !== 5) return;
        stopped = redis.stop();
        resolve();
      };
    });
    const { body: job } = await asked.post('/v1/jobs', { ...body, steps: 200, n: 10 });
    const events = await asked.app.request(job.events_url);
    await begun;
    await stopped;
    await redis.start();
    expect(sseEvents(await events.text()).at(-1)).toMatchObject({
      event: 'failed',
      data: { error: { code: 'queue_unavailable' } },
    });
    model.onStep = () => {};
    expect(await answered(asked)).toBe(200);
  });

  it('a request goes on where Redis ended in the middle of it and comes back with what it knew', async () => {
    const redis = await startRedis(['--appendonly', 'yes', '--appendfsync', 'always']);
    const asked = await sharedServer(redis, { draws: false });
    const model = memoryModel('formula');
    const drawing = await sharedServer(redis, {}, { model });
    const stopped = new Promise<void>((resolve) => {
      model.onStep = (steps) => {
        if (steps === 30) redis.stop().then(resolve);
      };
    });
    const asking = streamOf(asked, { ...body, n: 3, stream: true, partial_images: 1 });
    await stopped;
    await redis.start();
    const alone = await streamOf(await memoryServer(), { ...body, n: 3, stream: true, partial_images: 1 });
    // A preview that was told when it ended may be late, and is left out then; each image comes once.
    const isImage = ({ event }: { event: string }) => event === 'image_generation.completed';
    expect((await asking).filter(isImage)).toEqual(alone.filter(isImage));
    expect(new Set(drawing.seeds())).toEqual(new Set([7, 8, 9]));
    expect(await answered(asked)).toBe(200);
  });

  it('what it is too full for is not lost, and drawn when there is room', async () => {
    const redis = await startRedis();
    const asked = await sharedServer(redis, { draws: false });
    const model = memoryModel('formula');
    const drawing = await sharedServer(redis, { redis: { url: redis.url, lock: 500 } }, { model });
    model.onStep = (steps) => {
      if (steps === 5) void redis.client.config('SET', 'maxmemory', '1');
    };
    const asking = asked.post(PATH, body);
    await until(() => drawing.logged().includes('an order of the shared queue was not drawn'));
    await redis.client.config('SET', 'maxmemory', '0');
    expect((await asking).status).toBe(200);
    expect(drawing.logged()).not.toContain(body.prompt);
  });
});

describe('a connection', skipFor(noCommand('redis-server')), () => {
  it('counts as broken where no answer comes', async () => {
    const redis = await startRedis();
    const client = await connect(await loadPackages(), redis.url, 'fails', 100);
    redis.pause();
    await expect(client.get('key')).rejects.toThrow();
    client.disconnect();
  });
});
