import { describe, expect, it } from 'vitest';
import { T2IError } from '../../../src/errors.js';
import { ServerMetrics } from '../../../src/server/metrics.js';
import { FakeClock, settled } from '../../support/fake-clock.js';
import { memoryModel, memoryServer } from '../../support/memory-server.js';

const PATH = '/v1/images/generations';
const lines = async ({ registry }: ServerMetrics, name: string) =>
  (await registry.metrics()).split('\n').filter((line) => line.startsWith(name));

describe('what is measured', () => {
  it('has the names and the labels that dashboards ask for', async () => {
    const metrics = new ServerMetrics(() => ({ length: 3, running: 2 }));
    metrics.requests.inc({ api: 'openai', outcome: 'completed' });
    metrics.images.inc({ model: 'm' });
    metrics.aborts.inc({ state: 'queued' });
    metrics.restarts.inc({ model: 'm' });
    metrics.orders.inc({ outcome: 'taken' });
    metrics.batches.observe(3);
    metrics.phases.observe({ phase: 'queue' }, 2);
    metrics.http.observe({ method: 'GET', route: '/', status: '200' }, 0.01);
    metrics.share({ workers: 4, isUp: true });
    for (const [name, told] of [
      ['t2i_requests_total', '{api="openai",outcome="completed"} 1'],
      ['t2i_images_total', '{model="m"} 1'],
      ['t2i_aborts_total', '{state="queued"} 1'],
      ['t2i_backend_restarts_total', '{model="m"} 1'],
      ['t2i_shared_orders_total', '{outcome="taken"} 1'],
      ['t2i_queue_length', ' 3'],
      ['t2i_requests_running', ' 2'],
      ['t2i_shared_workers', ' 4'],
      ['t2i_shared_up', ' 1'],
      ['t2i_batch_requests_sum', ' 3'],
      ['t2i_phase_seconds_sum', '{phase="queue"} 2'],
      ['t2i_http_request_seconds_count', '{method="GET",route="/",status="200"} 1'],
    ] as const)
      expect(await lines(metrics, name)).toEqual([name + told]);
    const bounds = async (name: string) =>
      (await lines(metrics, `${name}_bucket`)).map((line) => /le="([^"]+)"/.exec(line)?.[1]);
    expect(await bounds('t2i_batch_requests')).toEqual(['1', '2', '4', '8', '+Inf']);
    expect(await bounds('t2i_phase_seconds')).toEqual(
      expect.arrayContaining(['0.005', '0.1', '1', '10', '300', '+Inf']),
    );
    const text = await metrics.registry.metrics();
    for (const [, name] of text.matchAll(/^# TYPE (\S+)/gm))
      expect(text).toMatch(new RegExp(`^# HELP ${name} \\S`, 'm'));
  });

  it('is of one server alone, and asked for anew each time', async () => {
    let [length, isUp] = [1, true];
    const [one, other] = [
      new ServerMetrics(() => ({ length, running: 0 })),
      new ServerMetrics(() => ({ length: 0, running: 0 })),
    ];
    one.share({
      workers: 0,
      get isUp() {
        return isUp;
      },
    });
    one.images.inc({ model: 'm' });
    expect(await lines(other, 't2i_images_total')).toEqual([]);
    expect(await lines(other, 't2i_shared_up')).toEqual([]);
    expect(await lines(one, 't2i_queue_length')).toEqual(['t2i_queue_length 1']);
    [length, isUp] = [2, false];
    expect(await lines(one, 't2i_queue_length')).toEqual(['t2i_queue_length 2']);
    expect(await lines(one, 't2i_shared_up')).toEqual(['t2i_shared_up 0']);
  });
});

describe('what a server counts', () => {
  const request = { prompt: 'a red apple', steps: 4, seed: 7, n: 2 };

  it('is every request by its end, and the images that were made', async () => {
    const model = memoryModel('formula');
    const { metrics, post, app, queue } = await memoryServer({ queue: 1 }, { models: [model] });
    const counted = (name: string) => lines(metrics, name);
    await post(PATH, request);
    expect(await counted('t2i_images_total')).toEqual(['t2i_images_total{model="formula"} 2']);
    expect(await counted('t2i_requests_total')).toEqual(['t2i_requests_total{api="openai",outcome="completed"} 1']);
    expect(await counted('t2i_phase_seconds_count')).toEqual([
      't2i_phase_seconds_count{phase="queue"} 1',
      't2i_phase_seconds_count{phase="load"} 1',
      't2i_phase_seconds_count{phase="generate"} 1',
    ]);
    model.onStep = () => {
      throw new T2IError('BACKEND_FAILED', 'not this one');
    };
    await post(PATH, request);
    model.onStep = () => {};
    const leave = new AbortController();
    const init = { method: 'POST', headers: { 'content-type': 'application/json' }, signal: leave.signal };
    const first = post(PATH, { ...request, steps: 40 });
    await settled();
    const waiting = app.request(PATH, { ...init, body: JSON.stringify(request) });
    await settled();
    expect((await post(PATH, request)).status).toBe(429);
    leave.abort();
    await Promise.all([first, waiting]);
    await queue.drain();
    expect((await post('/invocations', request)).status).toBe(503);
    expect((await counted('t2i_requests_total')).sort()).toEqual([
      't2i_requests_total{api="openai",outcome="cancelled"} 1',
      't2i_requests_total{api="openai",outcome="completed"} 2',
      't2i_requests_total{api="openai",outcome="failed"} 1',
      't2i_requests_total{api="openai",outcome="refused"} 1',
      't2i_requests_total{api="sagemaker",outcome="refused"} 1',
    ]);
    expect(await counted('t2i_images_total')).toEqual(['t2i_images_total{model="formula"} 4']);
    expect(await counted('t2i_aborts_total')).toEqual(['t2i_aborts_total{state="queued"} 1']);
  });

  it('is the seconds that requests waited, and were carried out', async () => {
    const [clock, model] = [new FakeClock(), memoryModel('formula')];
    const { metrics, post } = await memoryServer({}, { models: [model], clock });
    model.onStep = () => void clock.turn(500);
    await Promise.all(['x', 'y'].map((prompt) => post(PATH, { prompt, steps: 4, seed: 7 })));
    const sums = (await lines(metrics, 't2i_phase_seconds_sum')).filter((line) => !line.includes('load'));
    expect(sums).toEqual(['t2i_phase_seconds_sum{phase="queue"} 2', 't2i_phase_seconds_sum{phase="generate"} 4']);
  });

  it('is every answer by its route, whatever was in its path', async () => {
    const { metrics, get, post } = await memoryServer();
    await get('/v1/models/formula');
    await get('/v1/models/none');
    await get('/nothing/at/all');
    await post('/v1/models/formula', {});
    const counted = await lines(metrics, 't2i_http_request_seconds_count');
    expect(counted.map((line) => line.replace(/^\w+/, '')).sort()).toEqual([
      '{method="GET",route="/*",status="404"} 1',
      '{method="GET",route="/v1/models/:id",status="200"} 1',
      '{method="GET",route="/v1/models/:id",status="404"} 1',
      '{method="POST",route="/*",status="405"} 1',
    ]);
    const [sum = ''] = await lines(metrics, 't2i_http_request_seconds_sum');
    expect(Number(sum.split(' ').at(-1))).toBeLessThan(60);
  });
});
