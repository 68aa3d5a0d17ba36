import { createHash } from 'node:crypto';
import { Queue } from 'bullmq';
import { describe, expect, it } from 'vitest';
import type { GeneratedImage } from '../../../src/image/generated-image.js';
import { RepeatedJob } from '../../../src/server/jobs/elsewhere.js';
import { JobStore } from '../../../src/server/jobs/job-store.js';
import { OrderStore } from '../../../src/server/redis/order-store.js';
import { queueName } from '../../../src/server/redis/queue-name.js';
import { FakeClock, settled } from '../../support/fake-clock.js';
import type { MemoryServer } from '../../support/memory-server.js';
import { memoryPipeline } from '../../support/memory-session.js';
import { startRedis } from '../../support/redis.js';
import { sharedServer, until } from '../../support/shared-server.js';
import { noCommand, skipFor } from '../../support/skip-for.js';
import { sseEvents } from '../../support/sse.js';

const body = { prompt: 'a red apple', steps: 20, seed: 7 };

const REQUEST = {
  ...{ prompt: 'a cat', negativePrompt: '', seeds: [1], steps: 5, guidanceScale: 1, sampler: 'ddim' },
  ...{ sigmas: null, eta: 0, width: 32, height: 32, previewEvery: 0 },
} as const;

const post = (json: unknown) => ({
  ...{ method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(json) },
});

/** The last event of a job. */
async function ended(server: MemoryServer, { events_url }: { events_url: string }) {
  return sseEvents(await (await server.app.request(events_url)).text()).at(-1);
}

describe('a job', skipFor(noCommand('redis-server')), () => {
  it('is known, followed and cancelled at every server', async () => {
    const redis = await startRedis();
    const [one, two] = [await sharedServer(redis, { draws: false }), await sharedServer(redis, { draws: false })];
    const { body: job } = await one.post('/v1/jobs', { ...body, n: 2, previews: 1, output_format: 'webp' });
    const { body: other } = await one.post('/v1/jobs', body);
    expect((await two.get(job.poll_url)).body).toEqual((await one.get(job.poll_url)).body);
    const cancelled = await two.post(other.cancel_url, {});
    expect(cancelled).toMatchObject({ status: 200, body: { status: 'cancelled' } });
    const events = await Promise.all([one, two].map((server) => server.app.request(job.events_url)));
    const drawing = await sharedServer(redis);
    const [here, there] = await Promise.all(events.map(async (response) => sseEvents(await response.text())));
    expect(here?.at(-1)).toMatchObject({ event: 'completed', data: { images: [{ seed: 7 }, { seed: 8 }] } });
    const told = (all = here) => all?.filter(({ event }) => event !== 'status' && event !== 'preview');
    expect(told(there)).toEqual(told(here));
    expect(sseEvents(await (await one.app.request(other.events_url)).text()).at(-1)?.event).toBe('cancelled');
    // One that comes later has it from what is kept.
    const late = await sharedServer(redis, { draws: false });
    expect((await late.get(job.poll_url)).body).toEqual((await one.get(job.poll_url)).body);
    expect(drawing.seeds()).toEqual([7, 8]);
  });

  it('is started once for an idempotency key, whichever servers are called, and is its caller’s alone', async () => {
    const redis = await startRedis();
    const [ALICE, BOB] = ['alice-alice-alice', 'bobby-bobby-bobby'];
    const options = { draws: false, apiKeys: [ALICE, BOB] };
    const servers = [await sharedServer(redis, options), await sharedServer(redis, options)];
    const headers = { authorization: `Bearer ${ALICE}`, 'idempotency-key': 'one' };
    const calls = [0, 1, 0, 1, 0, 1].map((at) => (servers[at] as MemoryServer).post('/v1/jobs', body, headers));
    const answers = await Promise.all(calls);
    expect(answers.map(({ status }) => status)).toEqual([202, 202, 202, 202, 202, 202]);
    expect(new Set(answers.map((answer) => answer.body.id)).size).toBe(1);
    expect(answers.filter((answer) => answer.headers.get('idempotency-replayed') === 'true')).toHaveLength(5);
    for (const server of servers) {
      expect((await server.post('/v1/jobs', { ...body, seed: 8 }, headers)).status).toBe(422);
      const url = answers[0]?.body.poll_url as string;
      expect((await server.get(url, { authorization: `Bearer ${BOB}` })).status).toBe(404);
      expect((await server.get(url, headers)).status).toBe(200);
      expect((await server.get(`/v1/jobs/job_${'x'.repeat(22)}`, headers)).status).toBe(404);
    }
    expect((await servers[0]?.get('/v1/capabilities', headers))?.body.queue.waiting).toBe(1);
    for (const server of servers) expect(server.logged()).not.toContain('"level":"error"');
  });

  it('is nobody else’s where it ends with its connection, and is refused before its stream begins', async () => {
    const redis = await startRedis();
    const options = { draws: false, queue: 1 };
    const [one, two] = [await sharedServer(redis, options), await sharedServer(redis, options)];
    const listen = async () => one.app.request('/v1/jobs/stream', post(body));
    const reader = (await listen()).body?.pipeThrough(new TextDecoderStream()).getReader();
    const [first] = sseEvents((await reader?.read())?.value ?? '');
    expect(first).toMatchObject({ event: 'status', data: { status: 'queued' } });
    expect((await listen()).status).toBe(429);
    const [id] = await redis.client.keys('t2i:order:order_*');
    expect((await two.get(`/v1/jobs/${id?.slice('t2i:order:'.length)}`)).status).toBe(404);
    await reader?.cancel();
    // Its place is free again, and nobody draws it.
    await until(() => one.queue.length === 0);
    const drawing = await sharedServer(redis);
    expect((await one.post('/v1/images/generations', { ...body, seed: 8 })).status).toBe(200);
    expect(drawing.seeds()).toEqual([8]);
  });

  it('is gone at every server when its images are not kept any more', async () => {
    const redis = await startRedis();
    const one = await sharedServer(redis);
    const { body: job } = await one.post('/v1/jobs', body);
    await (await one.app.request(job.events_url)).text();
    // One that comes when its events are not kept any more has it from what is.
    await redis.client.del(`t2i:order:${job.id}:events`);
    const late = await sharedServer(redis, { draws: false });
    expect(await ended(late, job)).toMatchObject({ event: 'completed', data: { images: [{ seed: 7 }] } });
    await redis.client.del(`t2i:order:${job.id}:images`);
    const two = await sharedServer(redis, { draws: false });
    expect((await two.get(job.poll_url)).status).toBe(410);
  });

  it('is drawn where the server that took it ended before it could offer it', async () => {
    const redis = await startRedis();
    const one = await sharedServer(redis);
    const { body: job } = await one.post('/v1/jobs', body);
    await ended(one, job);
    const id = `job_${'a'.repeat(22)}`;
    const queue = queueName(one.model);
    const text = (await redis.client.hget(`t2i:order:${job.id}`, 'text')) as string;
    const { v: _, ...order } = JSON.parse(text);
    const limits = { limit: 9, limitPerKey: 9, kept: 60_000, timeout: 60_000, work: 1 };
    await new OrderStore(redis.client, 1 << 30).accept({ ...limits, id, queue, order });
    expect(await ended(one, { events_url: `/v1/jobs/${id}/events` })).toMatchObject({ event: 'completed' });
  });

  it('can be started again with its key where the queue could not take it', async () => {
    const redis = await startRedis();
    const server = await sharedServer(redis);
    const meta = `t2i-bull:${queueName(server.model)}:meta`;
    const kept = await redis.client.hgetall(meta);
    await redis.client.set(meta, 'not what BullMQ expects');
    const headers = { 'idempotency-key': 'again' };
    const refused = await server.post('/v1/jobs', body, headers);
    expect(refused).toMatchObject({ status: 503, body: { error: { code: 'queue_unavailable' } } });
    await redis.client.del(meta);
    await redis.client.hset(meta, kept);
    const { status, body: job, headers: answered } = await server.post('/v1/jobs', body, headers);
    expect([status, answered.get('idempotency-replayed')]).toEqual([202, null]);
    expect(await ended(server, job)).toMatchObject({ event: 'completed' });
    // The last image ends it here, a moment before whoever drew it says so there.
    await until(() => server.queue.length === 0 && server.queue.running === 0);
  });

  it('ends at every server as at the one whose time for it is over, and is drawn by nobody', async () => {
    const redis = await startRedis();
    const clock = new FakeClock();
    const one = await sharedServer(redis, { draws: false }, { clock });
    const two = await sharedServer(redis, { draws: false });
    const { body: job } = await one.post('/v1/jobs', body);
    const events = await two.app.request(job.events_url);
    await clock.turn(24 * 3_600_000);
    const end = { event: 'failed', data: { error: { code: 'deadline_exceeded' } } };
    expect(sseEvents(await events.text()).at(-1)).toMatchObject(end);
    expect((await one.get(job.poll_url)).body).toMatchObject({ status: 'failed', error: end.data.error });
    const late = await sharedServer(redis);
    expect(await ended(late, job)).toMatchObject(end);
    expect(await new Queue(queueName(late.model), { connection: redis.client, prefix: 't2i-bull' }).count()).toBe(0);
    expect(late.seeds()).toEqual([]);
  });

  it('leaves nothing in Redis that does not expire, wherever its drawing stops', async () => {
    const redis = await startRedis();
    const store = new OrderStore(redis.client, 1 << 30);
    const limits = { limit: 9, limitPerKey: 9, kept: 60_000, timeout: 600_000, work: 1, queue: 'q' };
    const repeat = { place: 'place', body: 'body' };
    const order = { model: 'formula', key: 'key-1', api: 'jobs', request: REQUEST };
    const lastingOnes = async () => {
      const keys = (await redis.client.keys('*')).filter((key) => /^t2i:(order|repeat):/.test(key));
      expect(keys.length).toBeGreaterThan(0);
      const times = await Promise.all(keys.map(async (key) => [key, await redis.client.pttl(key)] as const));
      return times.filter(([, left]) => left < 0);
    };
    await store.accept({ ...limits, id: 'one', order, repeat });
    expect(await lastingOnes()).toEqual([]);
    await redis.client.set('t2i-bull:q:one:lock', 'token');
    await store.take('q', 'one', 'token');
    expect(await lastingOnes()).toEqual([]);
    await store.step('one', 'token', { image: 0, step: 1, steps: 5 });
    const { images } = await memoryPipeline().pipeline.generate({ prompt: 'a cat', steps: 5, seed: 1 });
    await store.image('one', 'token', 0, images[0] as GeneratedImage);
    expect(await lastingOnes()).toEqual([]);
    await store.giveBack('one', 'token');
    expect(await lastingOnes()).toEqual([]);
    await store.leave('one', { kind: 'cancelled' });
    expect(await lastingOnes()).toEqual([]);
    // An idempotency key is remembered as long as the job can be asked after.
    expect(await redis.client.pttl('t2i:repeat:place')).toBeLessThanOrEqual(limits.kept);
    await store.forget('one');
    expect(await redis.client.keys('t2i:order:*')).toEqual([]);
    expect(await redis.client.keys('t2i:repeat:*')).toEqual([]);
    expect(await redis.client.mget('t2i:bytes')).toEqual(['0']);
  });
});

describe('the store of jobs, with others', () => {
  it('finds for all who wait for it the job that another server started with the same key', async () => {
    const there = { id: 'there', caller: 'a', accepted: Promise.resolve(), over: new Promise(() => {}) } as never;
    const others = { repeated: async () => null, find: async () => there };
    const store = new JobStore({ ttl: 1000, maxBytes: 100, clock: new FakeClock(), others });
    let refuse: (reason: unknown) => void = () => {};
    const accepted = new Promise<void>((_, reject) => {
      refuse = reject;
    });
    accepted.catch(() => {});
    const mine = { id: 'mine', caller: 'a', accepted, over: Promise.resolve() } as never;
    const first = store.create('a', 'key', '{}', () => mine);
    await settled();
    const second = store.create('a', 'key', '{}', () => mine);
    await settled();
    refuse(new RepeatedJob('there', createHash('sha256').update('{}').digest('hex')));
    for (const call of [first, second]) expect(await call).toEqual({ job: there, repeated: true });
    await expect(store.find('mine', 'a')).resolves.toBe(there);
  });
});
