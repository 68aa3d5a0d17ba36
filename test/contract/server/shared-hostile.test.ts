import { Queue } from 'bullmq';
import { describe, expect, it } from 'vitest';
import type { GeneratedImage } from '../../../src/image/generated-image.js';
import { tooLate } from '../../../src/server/queue/queue-refusals.js';
import { failed } from '../../../src/server/redis/order.js';
import { OrderStore } from '../../../src/server/redis/order-store.js';
import { queueName } from '../../../src/server/redis/queue-name.js';
import { memoryModel } from '../../support/memory-server.js';
import { memoryPipeline } from '../../support/memory-session.js';
import { type RedisServer, startRedis } from '../../support/redis.js';
import { sharedServer } from '../../support/shared-server.js';
import { noCommand, skipFor } from '../../support/skip-for.js';
import { sseEvents } from '../../support/sse.js';

const PATH = '/v1/images/generations';
const body = { prompt: 'a red apple', steps: 20, seed: 7 };
const REQUEST = {
  ...{ prompt: 'a cat', negativePrompt: '', seeds: [1], steps: 5, guidanceScale: 1, sampler: 'ddim' },
  ...{ sigmas: null, eta: 0, width: 32, height: 32, previewEvery: 0 },
};
const ORDER = { v: 1, model: 'formula', key: 'key-1', api: 'jobs', request: REQUEST };

/** Puts an order into the queue as somebody would who can write into Redis. */
async function plant(
  { client }: RedisServer,
  id: string,
  text: string,
  name = 'draw',
  data: unknown = {},
): Promise<void> {
  const order = `t2i:order:${id}`;
  await client.hset(order, { text, key: 'key-1', deadline: Date.now() + 600_000, kept: 60_000, model: 'x', work: 1 });
  const queue = new Queue(queueName(memoryModel('formula')), { connection: client, prefix: 't2i-bull' });
  await queue.add(name, data, { jobId: id });
}

const PLANTED: readonly (readonly [string, string, string?])[] = [
  ['is no JSON', '{"v":1'],
  ['is of another version', JSON.stringify({ ...ORDER, v: 2 })],
  ['has a field that this version does not know', JSON.stringify({ ...ORDER, run: 'rm -rf /' })],
  ['has a prototype', `{"__proto__":{"admin":true},${JSON.stringify(ORDER).slice(1)}`],
  ['is for another model', JSON.stringify({ ...ORDER, model: 'other' })],
  ['asks for more steps than the server lets', JSON.stringify({ ...ORDER, request: { ...REQUEST, steps: 900 } })],
  [
    'asks for more images than the server lets',
    JSON.stringify({ ...ORDER, request: { ...REQUEST, seeds: Array(50).fill(1) } }),
  ],
  ['asks for a size that the model has not', JSON.stringify({ ...ORDER, request: { ...REQUEST, width: 33 } })],
  ['asks for a sampler that there is not', JSON.stringify({ ...ORDER, request: { ...REQUEST, sampler: '../x' } })],
  ['came as another kind of job', JSON.stringify(ORDER), 'other'],
];

describe('what others write into Redis', skipFor(noCommand('redis-server')), () => {
  it.each(PLANTED)('is refused, logged and not drawn where an order %s', async (_why, text = '', name = 'draw') => {
    const redis = await startRedis();
    const server = await sharedServer(redis);
    await plant(redis, 'planted', text, name);
    expect((await server.post(PATH, body)).status).toBe(200);
    expect(server.seeds()).toEqual([7]);
    expect(server.logged()).toContain('an order in Redis is refused');
    expect(await server.metrics.registry.metrics()).toContain('t2i_shared_orders_total{outcome="refused"} 1');
    expect(JSON.parse((await redis.client.hget('t2i:order:planted', 'end')) as string)).toMatchObject({
      kind: 'failed',
    });
  });

  it('does not stop the queue where a job of BullMQ is damaged or has no order', async () => {
    const redis = await startRedis();
    const server = await sharedServer(redis, { redis: { url: redis.url, lock: 500 } });
    const queue = new Queue(queueName(server.model), { connection: redis.client, prefix: 't2i-bull' });
    await queue.add('draw', {}, { jobId: 'without-order' });
    await queue.add('draw', {}, { jobId: 'damaged' });
    await redis.client.hset(`t2i-bull:${queue.name}:damaged`, 'data', '{"', 'opts', '[');
    expect((await server.post(PATH, body)).status).toBe(200);
    expect(server.seeds()).toEqual([7]);
  });

  it('is left out of a stream, and an image that is not that of its receipt fails the request', async () => {
    const redis = await startRedis();
    const asked = await sharedServer(redis, { draws: false });
    const { body: job } = await asked.post('/v1/jobs', body);
    const { body: other } = await asked.post('/v1/jobs', { ...body, seed: 8 });
    const stream = `t2i:order:${job.id}:events`;
    await redis.client.xadd(stream, '*', 'type', 'run', 'command', 'reboot');
    await redis.client.xadd(stream, '*', 'type', 'step', 'image', '99', 'step', '1', 'steps', '2');
    await redis.client.xadd(stream, '*', 'type', 'step', 'image', '0', 'step', '1', 'steps', '2', 'preview', 'short');
    await redis.client.hset(`t2i:order:${other.id}:images`, 'rgb:0', 'not these', 'receipt:0', '{}');
    await redis.client.xadd(`t2i:order:${other.id}:events`, '*', 'type', 'image', 'image', '0');
    await redis.client.publish(`t2i:order:${other.id}`, '');
    const failed = sseEvents(await (await asked.app.request(other.events_url)).text()).at(-1);
    expect(failed).toMatchObject({ event: 'failed', data: { error: { code: 'internal' } } });
    const events = await asked.app.request(job.events_url);
    await sharedServer(redis);
    expect(sseEvents(await events.text()).at(-1)?.event).toBe('completed');
    expect(asked.logged().match(/foreign content in Redis is left out/g)?.length).toBeGreaterThanOrEqual(4);
  });
});

describe('an order that another process has taken over', skipFor(noCommand('redis-server')), () => {
  it('takes nothing more from the one before: no step, no image, no end', async () => {
    const redis = await startRedis();
    await redis.client.connect().catch(() => {});
    const store = new OrderStore(redis.client, 1 << 30);
    const limits = { limit: 9, limitPerKey: 9, kept: 1000, timeout: 60_000, work: 1, queue: 'q' };
    const order = { model: 'formula', key: 'key-1', api: 'jobs', request: { ...REQUEST, sigmas: null } };
    /** Takes it as the one that BullMQ has given it to. */
    const take = async (token: string) => {
      await redis.client.set('t2i-bull:q:one:lock', token);
      return store.take('q', 'one', token);
    };
    await store.accept({ ...limits, id: 'one', order });
    expect(await take('first')).toMatchObject({ takes: 0, drawn: [] });
    expect(await store.step('one', 'first', { image: 0, step: 1, steps: 5 })).toBe('on');
    // A connection that broke off before the answer came sends the command again.
    expect(await take('first')).toMatchObject({ takes: 0 });
    expect(await take('second')).toMatchObject({ takes: 1 });
    expect(await store.take('q', 'one', 'first')).toBeNull();
    expect(await store.step('one', 'first', { image: 0, step: 2, steps: 5 })).toBe('lost');
    expect(await store.finish('one', 'first', { kind: 'completed' })).toBe(false);
    expect(await store.giveBack('one', 'first')).toBe(false);
    expect((await store.events('one', '0')).map(({ event }) => (event as { type: string }).type)).toEqual([
      ...['start', 'step', 'start', 'start'],
    ]);
    // An image that another has drawn meanwhile is told once.
    const { images } = await memoryPipeline().pipeline.generate({ prompt: 'a cat', steps: 5, seed: 1 });
    for (let drawn = 0; drawn < 2; drawn++) await store.image('one', 'second', 0, images[0] as GeneratedImage);
    expect((await store.events('one', '0')).slice(4)).toMatchObject([{ event: { type: 'image', image: 0 } }]);
    expect(await store.leave('one', failed(tooLate(60_000)))).toBe(false);
    expect(await store.step('one', 'second', { image: 0, step: 2, steps: 5 })).toBe('cancelled');
    expect(await store.finish('one', 'second', { kind: 'cancelled' })).toBe(true);
    expect(await store.finish('one', 'second', { kind: 'completed' })).toBe(false);
    expect(await store.step('one', 'second', { image: 0, step: 3, steps: 5 })).toBe('cancelled');
    expect((await store.events('one', '0')).at(-1)).toMatchObject({ event: { type: 'end' } });
    expect(await store.endOf('one')).toEqual(failed(tooLate(60_000)));
    expect(await take('third')).toBeNull();
  });
});
