import { Queue } from 'bullmq';
import { describe, expect, it } from 'vitest';
import { queueName } from '../../../src/server/redis/queue-name.js';
import { memoryModel, memoryServer } from '../../support/memory-server.js';
import { startRedis } from '../../support/redis.js';
import { otherVersion, sharedServer, streamOf, until } from '../../support/shared-server.js';
import { noCommand, skipFor } from '../../support/skip-for.js';
import { sseEvents } from '../../support/sse.js';

const PATH = '/v1/images/generations';
const body = { prompt: 'a red apple', steps: 20, seed: 7 };
const json = { 'content-type': 'application/json' };

describe('a queue that servers share', skipFor(noCommand('redis-server')), () => {
  it('lets one server draw what another is asked for, and answers the very images', async () => {
    const redis = await startRedis();
    const asked = await sharedServer(redis, { draws: false });
    const drawing = await sharedServer(redis);
    const { status, body: answer } = await asked.post(PATH, { ...body, n: 3 });
    expect(status).toBe(200);
    const alone = await (await memoryServer()).post(PATH, { ...body, n: 3 });
    expect(answer.data).toEqual(alone.body.data);
    expect([asked.model.sessions.length, drawing.seeds()]).toEqual([0, [7, 8, 9]]);
  });

  it('tells each step and preview, as one server does', async () => {
    const redis = await startRedis();
    const asked = await sharedServer(redis, { draws: false });
    await sharedServer(redis);
    const stream = { ...body, n: 2, stream: true, partial_images: 2 };
    expect(await streamOf(asked, stream)).toEqual(await streamOf(await memoryServer(), stream));
  });

  it('has its bounds for all servers together, and those of a key', async () => {
    const redis = await startRedis();
    const [one, two] = [
      await sharedServer(redis, { draws: false, queue: 2 }),
      await sharedServer(redis, { draws: false, queue: 2 }),
    ];
    const first = await one.post('/v1/jobs', body);
    const second = await two.post('/v1/jobs', body);
    expect([first.status, second.status]).toEqual([202, 202]);
    for (const server of [one, two]) {
      expect(await server.post('/v1/jobs', body)).toMatchObject({
        status: 429,
        body: { error: { code: 'queue_full' } },
      });
      const refused = await server.post(PATH, { ...body, stream: true });
      expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '1']);
    }
    expect((await one.get('/v1/capabilities')).body.queue).toEqual({ waiting: 2, running: 0 });
    expect((await two.get(second.body.poll_url)).body).toMatchObject({ status: 'queued', queue_position: 1 });
    await sharedServer(redis);
    for (const { body: job } of [first, second]) {
      const events = await one.app.request(job.events_url);
      expect(sseEvents(await events.text()).at(-1)?.event).toBe('completed');
    }
    expect((await one.post('/v1/jobs', body)).status).toBe(202);
  });

  it('draws requests that are alike together, and takes turns between keys', async () => {
    const redis = await startRedis();
    const [ALICE, BOB] = ['alice-alice-alice', 'bobby-bobby-bobby'];
    const asked = await sharedServer(redis, { draws: false, apiKeys: [ALICE, BOB] });
    const order: string[] = [];
    const ask = async (key: string, prompt: string, seed: number) => {
      const headers = { authorization: `Bearer ${key}` };
      const { body: job } = await asked.post('/v1/jobs', { ...body, prompt, seed }, headers);
      return { job, headers };
    };
    const jobs = [
      await ask(ALICE, 'one', 1),
      await ask(ALICE, 'two', 2),
      await ask(ALICE, 'two', 3),
      await ask(BOB, 'bob', 4),
    ];
    const model = memoryModel('formula');
    const drawing = await sharedServer(redis, {}, { model });
    for (const { job, headers } of jobs) {
      order.push(sseEvents(await (await asked.app.request(job.events_url, { headers })).text()).at(-1)?.event ?? '');
    }
    expect(order).toEqual(['completed', 'completed', 'completed', 'completed']);
    expect(model.sessions[0]?.jobs.map(({ seeds }) => seeds)).toEqual([[1], [4], [2, 3]]);
    expect(await drawing.metrics.registry.metrics()).toContain('t2i_shared_orders_total{outcome="taken"} 4');
  });

  it('leaves nothing in Redis of requests that were answered, but what does not grow', async () => {
    const redis = await startRedis();
    const asked = await sharedServer(redis, { draws: false });
    await sharedServer(redis);
    const keys = async () => (await redis.client.keys('*')).filter((key) => !key.endsWith(':marker')).sort();
    const answer = async (seed: number) => {
      expect((await asked.post(PATH, { ...body, seed, n: 2 })).status).toBe(200);
      // The last word on it is said after its answer.
      await until(async () => (await redis.client.keys('*order_*')).length === 0);
      return keys();
    };
    const before = await answer(1);
    for (let seed = 2; seed < 8; seed++) await answer(seed);
    expect(await keys()).toEqual(before);
    expect(await redis.client.get('t2i:bytes')).toBe('0');
  });

  it('never draws with another version of a model', async () => {
    const redis = await startRedis();
    const asked = await sharedServer(redis, { draws: false });
    const other = await sharedServer(redis, {}, { model: otherVersion('formula') });
    const { body: job } = await asked.post('/v1/jobs', body);
    // The other server draws what is for its own version, and leaves the first job alone.
    expect((await other.post(PATH, { ...body, seed: 99 })).status).toBe(200);
    expect((await asked.get(job.poll_url)).body.status).toBe('queued');
    await sharedServer(redis);
    await (await asked.app.request(job.events_url)).text();
    expect((await asked.get(job.poll_url)).body.status).toBe('completed');
    expect(other.seeds()).toEqual([99]);
  });

  it('ends within a step what a client leaves, running or waiting', async () => {
    const redis = await startRedis();
    const asked = await sharedServer(redis, { draws: false });
    const model = memoryModel('formula');
    await sharedServer(redis, {}, { model });
    const long = { ...body, steps: 200, n: 10, stream: true, partial_images: 3 };
    const response = await asked.app.request(PATH, { method: 'POST', body: JSON.stringify(long), headers: json });
    const reader = response.body?.getReader();
    // Its first preview says that it is drawn.
    await reader?.read();
    await reader?.cancel();
    // Another request is drawn: the first has left the device.
    expect((await asked.post(PATH, { ...body, seed: 50 })).status).toBe(200);
    expect(model.steps).toBeLessThan(2000);
    expect(await asked.metrics.registry.metrics()).toContain('t2i_aborts_total{state="generating"} 1');
  });
});

describe('a server that draws for others', skipFor(noCommand('redis-server')), () => {
  it('gives back what it has when it is closed; another draws what is missing, and the stream goes on', async () => {
    const redis = await startRedis();
    const asked = await sharedServer(redis, { draws: false });
    const model = memoryModel('formula');
    const first = await sharedServer(redis, {}, { model });
    const asking = streamOf(asked, { ...body, n: 4, stream: true, partial_images: 3 });
    // In the middle of the third image.
    await new Promise<void>((resolve) => {
      model.onStep = (steps) => steps === 50 && resolve();
    });
    await first.server.close();
    // Nobody has to wait until its lock is over.
    const bull = new Queue(queueName(model), { connection: redis.client, prefix: 't2i-bull' });
    expect([await bull.getActiveCount(), await bull.count()]).toEqual([0, 1]);
    const second = await sharedServer(redis);
    const events = await asking;
    expect(events).toEqual(await streamOf(await memoryServer(), { ...body, n: 4, stream: true, partial_images: 3 }));
    expect(second.seeds().slice(-1)).toEqual([10]);
    expect(second.seeds()).not.toContain(7);
  });

  it('keeps what it has for as long as it lives, though others wait for work', async () => {
    const redis = await startRedis();
    const asked = await sharedServer(redis, { draws: false });
    const model = memoryModel('formula');
    let opened = () => {};
    const opening = new Promise<void>((resolve) => {
      opened = resolve;
    });
    const open = model.open.bind(model);
    Object.assign(model, { open: (signal: AbortSignal) => opening.then(() => open(signal)) });
    const first = await sharedServer(redis, { redis: { url: redis.url, lock: 5000 } }, { model });
    const asking = asked.post(PATH, body);
    const second = await sharedServer(redis, { redis: { url: redis.url, lock: 5000 } });
    // Each time that its lock has more time left than before it was renewed: three times, and it would be over without.
    let [before, renewals] = [Number.POSITIVE_INFINITY, 0];
    for (let looks = 0; looks < 2000 && renewals < 3 && second.seeds().length === 0; looks++) {
      const [key] = await redis.client.keys('t2i-bull:*:lock');
      const left = key === undefined ? 0 : await redis.client.pttl(key);
      if (left > before) renewals++;
      before = left;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    opened();
    expect((await asking).status).toBe(200);
    expect([renewals, first.seeds(), second.seeds()]).toEqual([3, [7], []]);
  });

  it('draws for its own clients to the end when it drains, and lets jobs go on elsewhere', async () => {
    const redis = await startRedis();
    const drained = await sharedServer(redis);
    const asking = streamOf(drained, { ...body, stream: true, partial_images: 1, steps: 50 });
    await until(() => drained.queue.running > 0);
    const leaving = drained.server.drain(60_000);
    expect(await drained.post(PATH, body)).toMatchObject({ status: 503, body: { error: { code: 'draining' } } });
    expect((await asking).at(-1)?.event).toBe('image_generation.completed');
    expect(await leaving).toBe(true);
    const waiting = await sharedServer(redis, { draws: false });
    const { body: job } = await waiting.post('/v1/jobs', body);
    expect(await waiting.server.drain(60_000)).toBe(true);
    await waiting.server.close();
    const other = await sharedServer(redis);
    expect(sseEvents(await (await other.app.request(job.events_url)).text()).at(-1)?.event).toBe('completed');
  });
});
