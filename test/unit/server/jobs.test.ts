import { describe, expect, it } from 'vitest';
import { T2IError } from '../../../src/errors.js';
import { readReceipt } from '../../../src/image/read-receipt.js';
import { FakeClock, settled } from '../../support/fake-clock.js';
import { type MemoryServer, memoryModel, memoryServer } from '../../support/memory-server.js';
import { sseEvents } from '../../support/sse.js';
import { ALICE, as, BOB, body, ended } from './job-calls.js';

async function over(server: MemoryServer, id: string, headers = {}) {
  await server.queue.drain();
  const response = await server.app.request(`/v1/jobs/${id}/events`, { headers });
  return sseEvents(await response.text()).at(-1);
}

describe('a job', () => {
  it('is accepted at once, asked after, and has its images in the end', async () => {
    const server = await memoryServer();
    const { status, headers, body: accepted } = await server.post('/v1/jobs', { ...body, n: 2 });
    expect(status).toBe(202);
    expect(accepted).toMatchObject({ id: expect.stringMatching(/^job_[\w-]{22}$/) });
    expect(headers.get('location')).toBe(accepted.poll_url);
    expect((await server.get(accepted.poll_url)).body).toMatchObject({ model: 'formula', seeds: [7, 8] });
    await over(server, accepted.id);
    const { body: done } = await server.get(accepted.poll_url);
    expect(done).toMatchObject({ status: 'completed', images: [{ seed: 7 }, { seed: 8 }], warnings: [] });
    const bytes = new Uint8Array(Buffer.from(done.images[1].b64_json, 'base64'));
    expect(await readReceipt(bytes)).toMatchObject({ seed: 8, served: 'jobs' });
    const direct = await (await memoryServer()).post('/v1/images/generations', { ...body, seed: 8 });
    expect((await readReceipt(bytes)).rgbSha256).toBe(
      (await readReceipt(new Uint8Array(Buffer.from(direct.body.data[0].b64_json, 'base64')))).rgbSha256,
    );
  });

  it('tells its place, each step, previews and its end as events', async () => {
    const server = await memoryServer();
    const first = server.post('/v1/images/generations', { ...body, prompt: 'first' });
    const before = server.post('/v1/images/generations', { ...body, prompt: 'before' });
    await settled();
    const { body: job } = await server.post('/v1/jobs', { ...body, previews: 1 });
    const response = await server.app.request(job.events_url);
    await Promise.all([first, before]);
    const events = sseEvents(await response.text());
    const places = events.filter(({ data }) => data.status === 'queued').map(({ data }) => data.queue_position);
    expect(places).toEqual([1, 0]);
    expect(events.filter(({ event }) => event === 'status').at(-1)?.data).toEqual({ status: 'generating' });
    const steps = events.filter(({ event }) => event === 'step');
    expect(steps.map(({ data }) => data.step)).toEqual(Array.from({ length: 20 }, (_, index) => index + 1));
    expect(events.at(-1)).toMatchObject({ event: 'completed', data: { images: [{ seed: 7 }] } });
  });

  it('tells a late listener its end alone', async () => {
    const server = await memoryServer();
    const { body: job } = await server.post('/v1/jobs', body);
    expect(await over(server, job.id)).toMatchObject({ event: 'completed' });
    const events = sseEvents(await (await server.app.request(job.events_url)).text());
    expect(events.map(({ event }) => event)).toEqual(['status', 'completed']);
  });

  it('says how far it is while it is drawn, and when it was asked for, but no place and no progress at its end', async () => {
    const model = memoryModel('formula');
    const server = await memoryServer({}, { models: [model] });
    const asked = Date.now() / 1000;
    const { body: job } = await server.post('/v1/jobs', body);
    const told: ReturnType<MemoryServer['get']>[] = [];
    model.onStep = (steps) => {
      if (steps === 3) setImmediate(() => told.push(server.get(job.poll_url)));
    };
    await server.queue.drain();
    const [during] = await Promise.all(told);
    expect(during?.body).toMatchObject({
      status: 'generating',
      progress: { image: 0, step: expect.any(Number), steps: 20 },
    });
    expect(during?.body).not.toHaveProperty('queue_position');
    await over(server, job.id);
    const { body: done } = await server.get(job.poll_url);
    expect(Math.abs(done.created_at - asked)).toBeLessThan(60);
    for (const absent of ['queue_position', 'eta_seconds', 'progress', 'error'])
      expect(done).not.toHaveProperty(absent);
  });

  it('says in seconds when it should be done, where that is known', async () => {
    const clock = new FakeClock();
    const model = memoryModel('formula');
    const server = await memoryServer({}, { models: [model], clock });
    const { body: first } = await server.post('/v1/jobs', body);
    expect(first.eta_seconds).toBeUndefined();
    model.onStep = () => void clock.turn(100);
    await ended(server, first);
    model.onStep = () => {};
    await server.post('/v1/jobs', body);
    await settled();
    const { body: waits } = await server.post('/v1/jobs', body);
    const { body: told } = await server.get(waits.poll_url);
    // Twenty steps of 100 ms, and those of the one before.
    expect(told).toMatchObject({ status: 'queued', queue_position: 0, eta_seconds: 4 });
    await server.queue.drain();
  });

  it.each([
    [{ previews: 2 }, 2],
    [{ previews: 3 }, 3],
    [{ previews: 1, steps: 1 }, 1],
    [{ previews: 9, steps: 3 }, 3],
    [{ previews: 3, steps: 11 }, 3],
    [{ previews: 2, steps: 4 }, 2],
    [{ previews: 0 }, 0],
    [{ previews: null }, 0],
    [{}, 0],
  ])('that asks for %j shows %i previews to who listens', async (more, count) => {
    const server = await memoryServer();
    const { body: job } = await server.post('/v1/jobs', { ...body, ...more });
    const events = sseEvents(await (await server.app.request(job.events_url)).text());
    const previews = events.filter(({ event }) => event === 'preview');
    expect(previews).toHaveLength(count);
    for (const { data } of previews) {
      expect(data).toMatchObject({ image: 0, step: expect.any(Number), steps: { ...body, ...more }.steps, seed: 7 });
      expect(Buffer.from(data.b64_json, 'base64').subarray(1, 4).toString()).toBe('PNG');
    }
  });

  it('goes on where a listener leaves', async () => {
    const server = await memoryServer();
    const { body: job } = await server.post('/v1/jobs', body);
    const reader = (await server.app.request(job.events_url)).body?.getReader();
    // It waits for an event that may never come when it leaves.
    await Promise.all([reader?.read(), reader?.read(), reader?.cancel()]);
    expect(await over(server, job.id)).toMatchObject({ event: 'completed' });
  });

  it('can be cancelled within a step, once', async () => {
    const model = memoryModel('formula');
    const server = await memoryServer({}, { models: [model] });
    let cancelled: Promise<{ status: number; body: { status: string } }> | undefined;
    const { body: job } = await server.post('/v1/jobs', { ...body, steps: 200 });
    model.onStep = (steps) => {
      if (steps === 3) cancelled = server.post(job.cancel_url, {});
    };
    await server.queue.drain();
    expect(await cancelled).toMatchObject({ status: 200, body: { status: 'cancelled', error: { code: 'cancelled' } } });
    expect(model.steps).toBeLessThanOrEqual(4);
    expect((await server.post(job.cancel_url, {})).status).toBe(409);
    expect((await server.get(job.poll_url)).body.status).toBe('cancelled');
  });

  it('says why it failed, by its kind', async () => {
    const open = () => Promise.reject(new T2IError('MODEL_INVALID', '/srv/x is damaged'));
    const server = await memoryServer({}, { models: [memoryModel('formula', { open })] });
    const { body: job } = await server.post('/v1/jobs', body);
    expect(await over(server, job.id)).toMatchObject({ event: 'failed', data: { error: { code: 'model_invalid' } } });
    expect(JSON.stringify((await server.get(job.poll_url)).body)).not.toContain('/srv');
  });

  it('is refused at once where the request is wrong or the queue is full', async () => {
    const server = await memoryServer({ queue: 1 });
    expect((await server.post('/v1/jobs', { ...body, stepz: 1 })).body.error.param).toBe('stepz');
    for (const prompt of ['runs', 'waits']) {
      expect((await server.post('/v1/jobs', { ...body, prompt })).status).toBe(202);
      await Promise.resolve();
    }
    const full = await server.post('/v1/jobs', { ...body, prompt: 'one more' });
    expect([full.status, full.headers.get('retry-after')]).toEqual([429, expect.stringMatching(/^\d+$/)]);
  });

  it('is gone after its time, and unknown where it never was', async () => {
    const clock = new FakeClock();
    const server = await memoryServer({}, { clock });
    const { body: job } = await server.post('/v1/jobs', body);
    await over(server, job.id);
    await clock.turn(599_999);
    expect((await server.get(job.poll_url)).status).toBe(200);
    await clock.turn(1);
    expect((await server.get(job.poll_url)).status).toBe(410);
    expect((await server.get('/v1/jobs/job_unknown')).status).toBe(404);
    expect(clock.pending).toBe(0);
  });

  it('belongs to the key that started it', async () => {
    const server = await memoryServer({ apiKeys: [ALICE, BOB] });
    const { body: job } = await server.post('/v1/jobs', body, as(ALICE));
    expect((await server.get(job.poll_url, as(BOB))).status).toBe(404);
    expect((await server.post(job.cancel_url, {}, as(BOB))).status).toBe(404);
    expect((await server.get(job.events_url, as(BOB))).status).toBe(404);
    expect((await server.get(job.poll_url, as(ALICE))).status).toBe(200);
  });
});

describe('a job that is bound to its listener', () => {
  const post = { method: 'POST', headers: { 'content-type': 'application/json' } };
  const stream = (server: MemoryServer, more: RequestInit = {}, steps = 200) =>
    server.app.request('/v1/jobs/stream', { ...post, body: JSON.stringify({ ...body, steps, previews: 1 }), ...more });

  it('tells what any job tells, to its end', async () => {
    const server = await memoryServer();
    const events = sseEvents(await (await stream(server, {}, 20)).text());
    expect(events[0]).toMatchObject({ event: 'status', data: { status: 'queued', queue_position: 0 } });
    expect(events.filter(({ event }) => event === 'step')).toHaveLength(20);
    expect(events.at(-1)).toMatchObject({ event: 'completed', data: { images: [{ seed: 7 }] } });
  });

  it('ends within a step where its listener leaves', async () => {
    const model = memoryModel('formula');
    const server = await memoryServer({}, { models: [model] });
    const reader = (await stream(server)).body?.getReader();
    model.onStep = (steps) => {
      if (steps === 3) void reader?.cancel();
    };
    await server.queue.drain();
    expect(model.steps).toBeLessThanOrEqual(4);
    expect(await server.metrics.registry.metrics()).toContain('t2i_aborts_total{state="generating"} 1');
  });

  it('ends where its listener left before it was answered', async () => {
    const model = memoryModel('formula');
    const server = await memoryServer({}, { models: [model] });
    const leave = new AbortController();
    const answer = stream(server, { signal: leave.signal });
    leave.abort();
    await answer;
    await server.queue.drain();
    expect(model.steps).toBe(0);
  });

  it('is refused as any other, and cannot be asked after', async () => {
    const server = await memoryServer();
    const { status, body: refused } = await server.post('/v1/jobs/stream', { ...body, stepz: 1 });
    expect([status, refused.error.param]).toEqual([400, 'stepz']);
    const events = sseEvents(await (await stream(server, {}, 2)).text());
    expect(events.at(-1)?.data).not.toHaveProperty('poll_url');
    expect((await server.get(`/v1/jobs/${events.at(-1)?.data.id}`)).status).toBe(404);
  });
});

describe('the capabilities', () => {
  it('say what a request may ask for', async () => {
    const server = await memoryServer({ queue: 3, limits: { images: 4 } });
    const { body: told } = await server.get('/v1/capabilities');
    expect(told).toMatchObject({
      limits: { n: 4, side: 2048, queue: 3, prompt_characters: 10_000 },
      formats: ['png', 'jpeg', 'webp'],
      image_store: false,
      models: [
        {
          id: 'formula',
          ...{ open: false, backend: null },
          native_size: { width: 32, height: 32 },
          size_granularity: 8,
          defaults: { sampler: 'ddim', guidance_scale: 7.5 },
        },
      ],
    });
    const [{ samplers, defaults }] = told.models;
    for (const { name } of samplers) {
      const answer = await server.post('/v1/images/generations', { prompt: 'x', sampler: name, steps: 2 });
      expect(answer.status, name).toBe(200);
    }
    expect(defaults.steps).toBeLessThanOrEqual(told.limits.steps);
    const [opened] = (await server.get('/v1/capabilities')).body.models;
    expect(opened).toMatchObject({ open: true, backend: 'memory' });
  });
});

describe('the limits of a server', () => {
  it('hold for what a preset says, too', async () => {
    const manifest = { defaults: { steps: 5, guidanceScale: 2, sampler: 'ddim' }, presets: { slow: { steps: 90 } } };
    const models = [memoryModel('formula', { model: { ...memoryModel('x').model, manifest: manifest as never } })];
    const server = await memoryServer({ limits: { steps: 80 } }, { models });
    const { status, body } = await server.post('/v1/images/generations', { prompt: 'x', preset: 'slow' });
    expect([status, body.error.issues]).toEqual([
      400,
      [{ param: 'steps', message: 'steps: expected at most 80 on this server, received 90' }],
    ]);
    const fewer = { prompt: 'x', preset: 'slow', steps: 2 };
    expect((await server.post('/v1/images/generations', fewer)).status).toBe(200);
  });

  it('are refused where a model does more unless it is told otherwise', async () => {
    await expect(memoryServer({ limits: { steps: 29, side: 31 } })).rejects.toMatchObject({
      code: 'OPTION_INVALID',
      issues: [
        { option: 'limits.side', expected: 'at least 32, the default of formula', received: '31' },
        { option: 'limits.steps', expected: 'at least 30, the default of formula', received: '29' },
      ],
    });
    await memoryServer({ limits: { steps: 30, side: 32 } });
  });
});
