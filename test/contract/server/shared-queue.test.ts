import { describe, expect, it } from 'vitest';
import { type MemoryServer, memoryModel, memoryServer } from '../../support/memory-server.js';
import { startRedis } from '../../support/redis.js';
import { otherVersion, sharedServer } from '../../support/shared-server.js';
import { noCommand, skipFor } from '../../support/skip-for.js';
import { sseEvents } from '../../support/sse.js';

const PATH = '/v1/images/generations';
const body = { prompt: 'a red apple', steps: 20, seed: 7 };
const json = { 'content-type': 'application/json' };

async function until(is: () => boolean): Promise<void> {
  for (let tries = 0; tries < 2000 && !is(); tries++) await new Promise((resolve) => setTimeout(resolve, 5));
}

async function streamOf(server: MemoryServer, asked: unknown) {
  const response = await server.app.request(PATH, { method: 'POST', body: JSON.stringify(asked), headers: json });
  return sseEvents(await response.text()).map(({ event, data: { created_at: _, ...data } }) => ({ event, data }));
}

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
    const drawing = await sharedServer(redis, {}, model);
    for (const { job, headers } of jobs) {
      order.push(sseEvents(await (await asked.app.request(job.events_url, { headers })).text()).at(-1)?.event ?? '');
    }
    expect(order).toEqual(['completed', 'completed', 'completed', 'completed']);
    expect(model.sessions[0]?.jobs.map(({ seeds }) => seeds)).toEqual([[1], [4], [2, 3]]);
    expect(await drawing.metrics.registry.metrics()).toContain('t2i_shared_orders_total{outcome="taken"} 4');
  });

  it('never draws with another version of a model', async () => {
    const redis = await startRedis();
    const asked = await sharedServer(redis, { draws: false });
    const other = await sharedServer(redis, {}, otherVersion('formula'));
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
    await sharedServer(redis, {}, model);
    const leave = new AbortController();
    const after: number[] = [];
    model.onStep = (steps) => {
      if (steps === 3) leave.abort();
      after.push(steps);
    };
    const long = { ...body, steps: 200, n: 10 };
    const answer = asked.app.request(PATH, {
      method: 'POST',
      body: JSON.stringify(long),
      headers: json,
      signal: leave.signal,
    });
    await answer;
    // Another request is drawn: the first has left the device.
    model.onStep = () => {};
    expect((await asked.post(PATH, { ...body, seed: 50 })).status).toBe(200);
    expect(after.length).toBeLessThan(2000);
    expect(await asked.metrics.registry.metrics()).toContain('t2i_aborts_total{state="generating"} 1');
  });
});

describe('a server that draws for others', skipFor(noCommand('redis-server')), () => {
  it('gives back what it has when it is closed; another draws what is missing, and the stream goes on', async () => {
    const redis = await startRedis();
    const asked = await sharedServer(redis, { draws: false });
    const model = memoryModel('formula');
    const first = await sharedServer(redis, {}, model);
    const asking = streamOf(asked, { ...body, n: 4, stream: true, partial_images: 3 });
    // In the middle of the third image.
    await new Promise<void>((resolve) => {
      model.onStep = (steps) => steps === 50 && resolve();
    });
    await first.server.close();
    const second = await sharedServer(redis);
    const events = await asking;
    expect(events).toEqual(await streamOf(await memoryServer(), { ...body, n: 4, stream: true, partial_images: 3 }));
    expect(second.seeds().slice(-1)).toEqual([10]);
    expect(second.seeds()).not.toContain(7);
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
    expect((await late.get(job.poll_url)).body.status).toMatch(/generating|completed/);
    await (await late.app.request(job.events_url)).text();
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
  });

  it('is gone at every server when its images are not kept any more', async () => {
    const redis = await startRedis();
    const one = await sharedServer(redis);
    const { body: job } = await one.post('/v1/jobs', body);
    await (await one.app.request(job.events_url)).text();
    await redis.client.del(`t2i:order:${job.id}:images`);
    const two = await sharedServer(redis, { draws: false });
    expect((await two.get(job.poll_url)).status).toBe(410);
  });
});
