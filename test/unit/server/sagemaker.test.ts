import { describe, expect, it } from 'vitest';
import { readReceipt } from '../../../src/image/read-receipt.js';
import { FakeClock, settled } from '../../support/fake-clock.js';
import { type MemoryServer, memoryModel, memoryServer } from '../../support/memory-server.js';

const KEY = 'a-key-that-is-long-enough';
const request = { prompt: 'a red apple', steps: 3, seed: 7 };
const lined = (...lines: readonly object[]) => lines.map((line) => `${JSON.stringify(line)}\n`).join('');

async function invoke(server: MemoryServer, body: string, headers: Readonly<Record<string, string>> = {}) {
  const init = { method: 'POST', body, headers: { 'content-type': 'application/jsonlines', ...headers } };
  const response = await server.app.request('/invocations', init);
  return { status: response.status, type: response.headers.get('content-type'), text: await response.text() };
}

/** The answers of a batch. */
const answersOf = (text: string) => text.split(/\n(?=.)/).map((line) => JSON.parse(line));

describe('the container of SageMaker', () => {
  it('is well until it drains, and says so without a key', async () => {
    const server = await memoryServer({ apiKeys: [KEY] });
    expect(await server.get('/ping')).toMatchObject({ status: 200, body: { status: 'Healthy' } });
    void server.queue.drain();
    expect(await server.get('/ping')).toMatchObject({ status: 503, body: { status: 'Unhealthy' } });
    const headers = { authorization: `Bearer ${KEY}` };
    const { paths } = (await server.get('/openapi.json', headers)).body;
    const { schema } = paths['/ping'].get.responses[200].content['application/json'];
    expect(schema.properties.status.enum).toEqual(['Healthy', 'Unhealthy']);
    const { status } = await server.post('/invocations', request);
    expect(status).toBe(401);
  });

  it.each([
    ['another method of /ping', '/ping', 'POST', 405],
    ['a path below /invocations', '/invocations/x', 'POST', 404],
    ['another method of /invocations', '/invocations', 'GET', 405],
  ])('refuses %s as OpenAI does', async (_, path, method, status) => {
    const response = await (await memoryServer()).app.request(path, { method });
    const error = { type: 'invalid_request_error', code: expect.any(String), message: expect.any(String) };
    expect([response.status, await response.json()]).toMatchObject([status, { error }]);
  });

  it('names the model in the body, and else takes the first', async () => {
    const server = await memoryServer({}, { models: [memoryModel('first'), memoryModel('second')] });
    const model = async (body: object) => (await server.post('/invocations', body)).body.model;
    expect([await model(request), await model({ ...request, model: 'second' })]).toEqual(['first', 'second']);
    expect((await server.post('/invocations', { ...request, model: 'third' })).status).toBe(404);
  });

  it('counts its requests under its name, those that it refuses, too', async () => {
    const model = memoryModel('formula', { open: () => new Promise(() => {}) });
    const server = await memoryServer({ queue: 1 }, { models: [model] });
    for (const prompt of ['runs', 'waits']) {
      void server.post('/invocations', { ...request, prompt });
      await settled();
    }
    // It is refused before its body is read, which is no JSON.
    expect(await invoke(server, '{')).toMatchObject({ status: 429 });
    const metrics = await server.metrics.registry.metrics();
    expect(metrics).toContain('t2i_requests_total{api="sagemaker",outcome="refused"} 1');
  });
});

describe('a batch transform', () => {
  it.each([
    ...['application/jsonlines', 'application/x-jsonlines', 'application/ndjson', 'application/x-ndjson'],
    ...['Application/JSONLines; charset=utf-8'],
  ])('of %s is answered one line for each line, in their order', async (type) => {
    const server = await memoryServer();
    const body = lined({ ...request, seed: 3 }, { ...request, seed: 1, n: 2 }, { ...request, seed: 2 });
    const answer = await invoke(server, body, { 'content-type': type });
    expect(answer).toMatchObject({ status: 200, type: 'application/jsonlines', text: expect.stringMatching(/\n$/) });
    const seeds = answersOf(answer.text).map(({ images }) => images.map(({ seed }: { seed: number }) => seed));
    expect(seeds).toEqual([[3], [1, 2], [2]]);
  });

  it.each(['text/jsonlines', 'application/jsonlines2', 'application/jsonl', 'text/application/jsonlines'])(
    'is not what %s asks for',
    async (type) => {
      expect((await invoke(await memoryServer(), lined(request), { 'content-type': type })).status).toBe(415);
    },
  );

  it('may name a model, and a format of its files, in each line', async () => {
    const server = await memoryServer({}, { models: [memoryModel('first'), memoryModel('second')] });
    const body = lined(request, { ...request, model: 'second', output_format: 'webp' });
    const answers = answersOf((await invoke(server, body)).text);
    expect(answers).toMatchObject([
      { model: 'first', output_format: 'png', warnings: [] },
      { model: 'second', output_format: 'webp', warnings: [] },
    ]);
    const file = new Uint8Array(Buffer.from(answers[1].images[0].b64_json, 'base64'));
    expect(await readReceipt(file)).toMatchObject({ served: 'sagemaker', seed: 7 });
  });

  it('draws nothing where lines are wrong, and says what of each line', async () => {
    const model = memoryModel('formula');
    const server = await memoryServer({}, { models: [model] });
    const lines = [
      ...[JSON.stringify(request), '{"prompt": }', '', JSON.stringify({ ...request, steps: 0, stepz: 1 })],
      ...[JSON.stringify({ ...request, model: 'formla' }), '7'],
    ];
    const { status, text } = await invoke(server, lines.join('\n'));
    expect(status).toBe(400);
    const { issues } = JSON.parse(text).error;
    expect(issues.map(({ param }: { param: string }) => param)).toEqual([
      ...['line 2', 'line 4: steps', 'line 4: stepz', 'line 5: model', 'line 6: body'],
    ]);
    expect(issues[3].message).toMatch(/^line 5: model: .*did you mean.*formula/);
    expect(model.steps).toBe(0);
  });

  it('gives others their turn between its lines', async () => {
    const model = memoryModel('formula');
    const server = await memoryServer({}, { models: [model] });
    const batch = invoke(server, lined({ ...request, seed: 1 }, { ...request, seed: 2 }, { ...request, seed: 3 }));
    await settled();
    await Promise.all([batch, server.post('/invocations', { ...request, seed: 50 })]);
    const seeds = model.sessions.flatMap(({ jobs }) => jobs.flatMap((job) => job.seeds));
    expect(seeds.indexOf(50)).toBeLessThan(3);
  });

  it('fails as a whole where one of its lines is not done in its time', async () => {
    const clock = new FakeClock();
    const model = memoryModel('formula');
    const server = await memoryServer({}, { models: [model], clock });
    const { open } = model;
    let opens = 0;
    Object.assign(model, { open: (signal: AbortSignal) => (opens++ === 0 ? new Promise(() => {}) : open(signal)) });
    const answer = invoke(server, lined(request, request), { 'x-request-timeout': '2' });
    await settled();
    await clock.turn(2000);
    expect(await answer).toMatchObject({ status: 504, type: 'application/json' });
  });
});
