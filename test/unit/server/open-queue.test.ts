import { describe, expect, it, vi } from 'vitest';
import { parseRequest } from '../../../src/options.js';
import { Health } from '../../../src/server/health.js';
import { ServerLimits } from '../../../src/server/http/limits.js';
import { createLog } from '../../../src/server/log.js';
import { ServerMetrics } from '../../../src/server/metrics.js';
import { limitsOfServed, ServedModels } from '../../../src/server/models/served-model.js';
import { systemClock } from '../../../src/server/queue/clock.js';
import { type DrawingOptions, openQueue, type QueueParts } from '../../../src/server/queue/open-queue.js';
import { memoryModel } from '../../support/memory-server.js';

/** What a server opens its queue with, for a model in memory. */
function opening(more: Partial<QueueParts> = {}) {
  const lines: string[] = [];
  const model = memoryModel('m');
  const metrics = new ServerMetrics(() => ({ length: 0, running: 0 }));
  const log = createLog({ write: (line) => void lines.push(line) });
  const common = { health: new Health(), limits: new ServerLimits(), clock: systemClock };
  const parts = { models: new ServedModels([model]), metrics, log, ...common, ...more };
  return {
    ...{ model, metrics },
    logged: () => lines.map((line) => JSON.parse(line)),
    open: (options: DrawingOptions) => openQueue(options, parts, { limit: 4, limitPerKey: 4 }),
  };
}

describe('the queue that a server opens', () => {
  it('is its own, opens a model when it is asked for, and tells how long that took', async () => {
    const { model, metrics, logged, open } = opening();
    const { queue, pool, worker, shared } = await open({ batchWindow: 0 });
    expect([worker, shared, model.sessions.length]).toEqual([null, null, 0]);
    const request = parseRequest({ prompt: 'x', seed: 1, steps: 2 }, limitsOfServed(model));
    await queue.add({ key: 'a', model: 'm', api: 'test', timeout: 60_000, request }).result;
    const [opened, ...more] = logged();
    expect(opened).toMatchObject({ model: 'm', milliseconds: expect.any(Number), msg: 'model opened' });
    expect(more).toEqual([]);
    const { values } = await metrics.phases.get();
    const seconds = values.find(({ metricName, labels }) => metricName?.endsWith('_sum') && labels.phase === 'load');
    expect(Math.round((seconds?.value ?? Number.NaN) * 1000)).toBe(opened.milliseconds);
    await pool.close();
    expect(logged().at(-1)).toMatchObject({ model: 'm', msg: 'model closed' });
  });

  it('opens the first model at once where it is told to', async () => {
    const { model, logged, open } = opening();
    const { pool } = await open({ preload: true });
    expect([[...pool.backends.keys()], model.steps]).toEqual([['m'], 0]);
    expect(logged()).toMatchObject([{ msg: 'model opened' }]);
    await pool.close();
  });

  it.each(['before', 'while'])('gives up where it is ended %s the first model is opened', async (when) => {
    const end = new AbortController();
    const reason = new Error('enough');
    const { model, logged, open } = opening({ signal: end.signal });
    model.open = (signal) =>
      new Promise((_, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason));
        end.abort(reason);
      });
    if (when === 'before') end.abort(reason);
    await expect(open({ preload: true })).rejects.toBe(reason);
    expect(logged()).toEqual([]);
  });

  it('closes a model that was open before it could be told of the end', async () => {
    const end = new AbortController();
    const { model, logged, open } = opening({ signal: end.signal });
    const { open: openModel } = model;
    model.open = async (signal) => {
      const pipeline = await openModel.call(model, signal);
      end.abort(new Error('enough'));
      return pipeline;
    };
    await expect(open({ preload: true })).rejects.toThrow('enough');
    await vi.waitUntil(() => logged().at(-1)?.msg === 'model closed');
    expect(model.sessions[0]?.closes).toBe(1);
  });

  it('is none, and nothing is opened to draw, where it is to be shared over a Redis that is not there', async () => {
    const { model, open } = opening();
    const opened = open({ preload: true, redis: { url: 'redis://127.0.0.1:1' } });
    await expect(opened).rejects.toMatchObject({ code: 'NETWORK_FAILED' });
    expect(model.sessions).toEqual([]);
  });
});
