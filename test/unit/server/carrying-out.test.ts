import { describe, expect, it } from 'vitest';
import { T2IError } from '../../../src/errors.js';
import { decodeImage } from '../../../src/image/decode.js';
import { FakeClock, settled } from '../../support/fake-clock.js';
import { memoryModel, memoryServer } from '../../support/memory-server.js';

const PATH = '/v1/images/generations';
const request = { prompt: 'a red apple', steps: 50, seed: 7 };

const asPost = (body: unknown, signal?: AbortSignal) => ({
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(body),
  ...(signal && { signal }),
});

const imagesOf = (body: { data: { b64_json: string; seed: number }[] }) =>
  Promise.all(
    body.data.map(async ({ b64_json, seed }) => {
      const { rgb } = await decodeImage(new Uint8Array(Buffer.from(b64_json, 'base64')));
      return { seed, rgb: Buffer.from(rgb).toString('hex') };
    }),
  );

describe('a client that leaves', () => {
  it.each([
    ['waits for an answer', {}],
    ['reads a stream', { stream: true }],
  ])('ends its request within one step while it %s', async (_, more) => {
    const model = memoryModel('formula');
    const server = await memoryServer({}, { models: [model] });
    const leave = new AbortController();
    model.onStep = (steps) => {
      if (steps === 3) leave.abort();
    };
    const response = await server.app.request(PATH, asPost({ ...request, ...more }, leave.signal));
    await response.text();
    await server.queue.drain();
    expect(model.steps).toBe(3);
    expect(await server.metrics.registry.metrics()).toContain('t2i_aborts_total{state="generating"} 1');
  });

  it('ends its request where it stops reading a stream', async () => {
    const model = memoryModel('formula');
    const server = await memoryServer({}, { models: [model] });
    const response = await server.app.request(PATH, asPost({ ...request, stream: true }));
    let cancelled: Promise<void> | undefined;
    model.onStep = (steps) => {
      if (steps === 3) cancelled = response.body?.cancel();
    };
    await server.queue.drain();
    await cancelled;
    expect(model.steps).toBe(3);
  });

  it('does not start where it leaves while it waits, and leaves nothing behind', async () => {
    const model = memoryModel('formula');
    const server = await memoryServer({}, { models: [model] });
    const leave = new AbortController();
    const first = server.post(PATH, request);
    const second = server.app.request(PATH, asPost({ ...request, prompt: 'other' }, leave.signal));
    await settled();
    leave.abort();
    await Promise.all([first, second]);
    expect(model.steps).toBe(50);
    expect([server.queue.length, server.queue.running]).toEqual([0, 0]);
    expect(await server.metrics.registry.metrics()).toContain('t2i_aborts_total{state="queued"} 1');
  });
});

describe('requests that are alike', () => {
  it('are carried out as one, and get the images that they get alone, bit for bit', async () => {
    const clock = new FakeClock();
    const model = memoryModel('formula');
    const server = await memoryServer({ batchWindow: 5 }, { models: [model], clock });
    const asked = [
      { ...request, seed: 1 },
      { ...request, seed: 9, n: 2 },
      { ...request, seed: 1 },
    ];
    const answers = asked.map((body) => server.post(PATH, body));
    await settled();
    await clock.turn(5);
    const together = await Promise.all((await Promise.all(answers)).map(({ body }) => imagesOf(body)));
    expect(model.sessions[0]?.jobs.map(({ seeds }) => seeds)).toEqual([[1, 9, 10, 1]]);
    const alone = await memoryServer();
    for (const [index, body] of asked.entries()) {
      expect(together[index]).toEqual(await imagesOf((await alone.post(PATH, body)).body));
    }
  });

  it('do not end with one of them that leaves, but with the last one', async () => {
    const clock = new FakeClock();
    const model = memoryModel('formula');
    const server = await memoryServer({ batchWindow: 5 }, { models: [model], clock });
    const [first, second] = [new AbortController(), new AbortController()];
    const answers = [first, second].map(({ signal }, seed) =>
      server.app.request(PATH, asPost({ ...request, seed }, signal)),
    );
    model.onStep = (steps) => {
      if (steps === 2) first.abort();
      if (steps === 60) second.abort();
    };
    await settled();
    await clock.turn(5);
    await Promise.all(answers);
    await server.queue.drain();
    expect(model.steps).toBe(60);
  });
});

describe('a model that fails', () => {
  it('is told by its kind alone, with 500, and in full in the log', async () => {
    const error = new T2IError('MODEL_INVALID', '/srv/models/x/unet is damaged', { hint: 'look at /srv' });
    const server = await memoryServer({}, { models: [memoryModel('x', { open: () => Promise.reject(error) })] });
    const { status, headers, body } = await server.post(PATH, request);
    expect(status).toBe(500);
    expect(headers.get('x-should-retry')).toBe('false');
    expect(body.error).toMatchObject({ code: 'model_invalid', type: 'server_error' });
    expect(JSON.stringify(body)).not.toContain('/srv');
    expect(server.logged()).toContain('/srv/models/x/unet is damaged');
  });

  it('is opened again by the next request where it could not be opened, and where its device was lost', async () => {
    let opened = 0;
    const model = memoryModel('formula');
    const { open } = model;
    const failing = Object.assign(model, {
      open: async (signal: AbortSignal) => {
        if (opened++ === 0) throw new T2IError('BACKEND_UNAVAILABLE', 'not yet');
        const pipeline = await open(signal);
        if (opened === 2) await model.sessions[0]?.close();
        return pipeline;
      },
    });
    const server = await memoryServer({}, { models: [failing] });
    expect((await server.post(PATH, request)).status).toBe(503);
    expect((await server.post(PATH, request)).status).toBe(503);
    expect((await server.post(PATH, request)).status).toBe(200);
    expect(opened).toBe(3);
  });

  it('has 503 with the time to wait where its process crashed twice, and counts the restarts', async () => {
    const model = memoryModel('formula');
    const server = await memoryServer({}, { models: [model] });
    model.onStep = () => {
      throw new T2IError('BACKEND_CRASHED', 'gone');
    };
    const { status, headers } = await server.post(PATH, request);
    expect([status, headers.get('retry-after')]).toEqual([503, '1']);
    expect(await server.metrics.registry.metrics()).toContain('t2i_backend_restarts_total{model="formula"} 2');
  });
});

describe('a model that crashes again and again', () => {
  it('makes the server unhealthy, but not where it draws in between', async () => {
    const model = memoryModel('formula');
    const server = await memoryServer({}, { models: [model] });
    const health = async () => [(await server.admin.request('/healthz')).status, (await server.get('/ping')).status];
    let isBroken = false;
    void server.server.broken.then(() => {
      isBroken = true;
    });
    const crash = () => {
      throw new T2IError('BACKEND_CRASHED', 'gone');
    };
    for (const onStep of [crash, crash, () => {}, crash, crash]) {
      model.onStep = onStep;
      await server.post(PATH, request);
    }
    expect([isBroken, await health()]).toEqual([false, [200, 200]]);
    await server.post(PATH, request);
    expect([isBroken, await health()]).toEqual([true, [503, 503]]);
    expect(await server.server.broken).toMatchObject({ code: 'BACKEND_CRASHED' });
  });
});

describe('several models', () => {
  it('are opened when they are needed, and the least recently used is closed where memory is short', async () => {
    const models = ['a', 'b', 'c'].map((id) => memoryModel(id, { bytes: 100 }));
    const server = await memoryServer({ memory: 250 }, { models });
    const ask = (model: string) => server.post(PATH, { prompt: 'x', steps: 1, model });
    expect([...server.service.backends.keys()]).toEqual([]);
    for (const id of ['a', 'b', 'a']) await ask(id);
    expect([...server.service.backends.keys()]).toEqual(['b', 'a']);
    await ask('c');
    expect([...server.service.backends.keys()]).toEqual(['a', 'c']);
    expect(models.map(({ sessions }) => sessions.map(({ closes }) => closes))).toEqual([[0], [1], [0]]);
    await ask('b');
    expect(models[1]?.sessions).toHaveLength(2);
    await server.server.close();
    expect(models.flatMap(({ sessions }) => sessions.map(({ closes }) => closes))).toEqual([1, 1, 1, 1]);
  });

  it('are refused at the start where one does not fit, or two have one id, or an id is none', async () => {
    const large = memoryModel('large', { bytes: 300 });
    await expect(memoryServer({ memory: 250 }, { models: [large] })).rejects.toMatchObject({
      issues: [expect.objectContaining({ option: 'memory', received: '250' })],
    });
    for (const ids of [['x', 'x'], ['../x'], ['owner/x'], ['']]) {
      const models = ids.map((id) => memoryModel(id));
      await expect(memoryServer({}, { models })).rejects.toMatchObject({ code: 'OPTION_INVALID' });
    }
  });
});

describe('the end of a server', () => {
  it('is told to those who ask whether it is ready, and to new requests, while it finishes what it has', async () => {
    const model = memoryModel('formula');
    const server = await memoryServer({}, { models: [model] });
    const ready = async () => (await server.admin.request('/readyz')).status;
    const running = server.post(PATH, request);
    await settled();
    expect(await ready()).toBe(200);
    const drained = server.server.drain(60_000);
    expect(await ready()).toBe(503);
    expect((await server.admin.request('/healthz')).status).toBe(200);
    const { status, headers } = await server.post(PATH, request);
    expect([status, headers.get('retry-after')]).toEqual([503, '1']);
    expect((await running).status).toBe(200);
    expect(await drained).toBe(true);
  });

  it('comes for what runs, too, when the time is up', async () => {
    const model = memoryModel('formula');
    const server = await memoryServer({}, { models: [model] });
    const running = server.post(PATH, { ...request, steps: 200, n: 10 });
    await settled();
    expect(await server.server.drain(1)).toBe(false);
    expect((await running).status).toBe(503);
    expect(model.steps).toBeLessThan(2000);
  });
});
