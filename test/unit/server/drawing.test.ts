import { describe, expect, it } from 'vitest';
import { T2IError } from '../../../src/errors.js';
import { GeneratedImage } from '../../../src/image/generated-image.js';
import { parseRequest, type RequestOptions } from '../../../src/options.js';
import type { StreamEvent } from '../../../src/pipeline/events.js';
import type { GenerateOptions } from '../../../src/pipeline.js';
import { Health } from '../../../src/server/health.js';
import { createLog } from '../../../src/server/log.js';
import { ServerMetrics } from '../../../src/server/metrics.js';
import { ModelPool } from '../../../src/server/models/model-pool.js';
import { limitsOfServed, ServedModels } from '../../../src/server/models/served-model.js';
import { drawBatch } from '../../../src/server/queue/draw-batch.js';
import { type Batch, QueuedRequest, type RequestOrder } from '../../../src/server/queue/queued-request.js';
import { runBatch } from '../../../src/server/queue/run-batch.js';
import { FakeClock, settled } from '../../support/fake-clock.js';
import { type MemoryModel, memoryModel } from '../../support/memory-server.js';
import { gradient, receiptOf } from '../../support/receipts.js';

const crash = () => new T2IError('BACKEND_CRASHED', 'gone');

/** What draws for a queue, with one model. */
function drawing(model: MemoryModel = memoryModel('m')) {
  const lines: string[] = [];
  const metrics = new ServerMetrics(() => ({ length: 0, running: 0 }));
  const health = new Health();
  const models = new ServedModels([model]);
  const pool = new ModelPool([model], { memory: null });
  const parts = { models, pool, metrics, health, log: createLog({ write: (line) => void lines.push(line) }) };
  const opened: number[] = [];
  return {
    ...{ model, health, lines, opened },
    ask(options: Partial<RequestOptions> = {}, order: Partial<RequestOrder> = {}) {
      const request = parseRequest({ prompt: 'x', seed: 1, steps: 4, ...options }, limitsOfServed(model));
      const asked = { key: 'a', model: model.id, api: 'test', timeout: 60_000, request, ...order };
      return new QueuedRequest(asked, new FakeClock());
    },
    draw(...batch: Batch) {
      for (const each of batch) each.start();
      return drawBatch(parts, batch, () => opened.push(model.steps));
    },
    metric: async (name: string) => {
      const text = await metrics.registry.metrics();
      const line = text.split('\n').find((each) => each.startsWith(name));
      return line === undefined ? undefined : Number(line.split(' ').at(-1));
    },
  };
}

/** Draws until the server is given up, for so many tries at most; how many it took. */
async function triesUntilBroken({ ask, draw, health }: ReturnType<typeof drawing>, tries = 12): Promise<number> {
  for (let count = 1; count <= tries; count++) {
    await draw(ask()).catch(() => {});
    if (health.isBroken) return count;
  }
  return Number.POSITIVE_INFINITY;
}

describe('what draws a batch', () => {
  it('gives each the images of its own seeds, with its own steps and its own API', async () => {
    const { ask, draw, model, metric, opened } = drawing();
    const steps: string[] = [];
    const onStep = (name: string) => (event: { image: number; step: number; seed: number }) =>
      steps.push(`${name}: ${event.image} ${event.step} ${event.seed}`);
    const first = ask({ seed: 5, n: 2, steps: 2 }, { api: 'one', onStep: onStep('first') });
    const second = ask({ seed: 9, steps: 2 }, { api: 'two', onStep: onStep('second') });
    await draw(first, second);
    expect(model.sessions[0]?.jobs.map(({ seeds }) => seeds)).toEqual([[5, 6, 9]]);
    const images = [await first.result, await second.result].flat();
    expect(images.map(({ receipt }) => [receipt.seed, receipt.served])).toEqual([
      [5, 'one'],
      [6, 'one'],
      [9, 'two'],
    ]);
    expect(steps).toEqual([
      'first: 0 1 5',
      'first: 0 2 5',
      'first: 1 1 6',
      'first: 1 2 6',
      'second: 0 1 9',
      'second: 0 2 9',
    ]);
    expect(opened).toEqual([0]);
    expect(await metric('t2i_batch_requests_sum')).toBe(2);
  });

  it('draws on for who is left, and ends with the last that leaves, though others have their images', async () => {
    const { ask, draw, model } = drawing();
    const leave = new AbortController();
    const first = ask();
    const second = ask({ n: 3 }, { signal: leave.signal });
    model.onStep = (steps) => {
      if (steps === 6) leave.abort();
    };
    await draw(first, second);
    expect([first.state, second.state, model.steps]).toEqual(['completed', 'cancelled', 6]);
  });

  it.each(['listener', 'deadline'])('stops within one step where a %s ends all that wait', async (what) => {
    const { ask, draw, model } = drawing();
    const queued = ask(
      {},
      what === 'listener'
        ? {
            onStep: () => {
              throw new Error('broken');
            },
          }
        : {},
    );
    model.onStep = (steps) => {
      if (what === 'deadline' && steps === 1) queued.fail(new Error('too late'));
    };
    await draw(queued);
    expect([queued.state, model.steps]).toEqual(['failed', 1]);
  });

  it('draws nothing for those who left while the model was opened', async () => {
    const opening = memoryModel('m');
    const { open } = opening;
    let opened = () => {};
    const model = Object.assign(opening, {
      open: async (signal: AbortSignal) => {
        await new Promise<void>((resolve) => {
          opened = resolve;
        });
        return open(signal);
      },
    });
    const { ask, draw } = drawing(model);
    const [left, stays] = [ask(), ask({ seed: 2 })];
    const drawn = draw(left, stays);
    await settled();
    left.cancel(new Error('left'));
    opened();
    await drawn;
    expect(model.sessions[0]?.jobs.map(({ seeds }) => seeds)).toEqual([[2]]);
    expect(stays.state).toBe('completed');
    const alone = ask();
    alone.cancel(new Error('left'));
    await draw(alone);
    expect(model.steps).toBe(4);
  });

  it('logs what the backend fell back to, and nothing that a request was warned of', async () => {
    const model = memoryModel('m');
    const { open } = model;
    model.open = async (signal) => {
      const pipeline = await open(signal);
      const session = model.sessions[0] as (typeof model.sessions)[number];
      const generate = session.generate.bind(session);
      session.generate = async (job, control) => ({ ...(await generate(job, control)), warnings: ['slow path'] });
      return pipeline;
    };
    const { ask, draw, lines } = drawing(model);
    await draw(ask({ prompt: 'word '.repeat(100) }));
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([{ level: 'warn', model: 'm', msg: 'slow path' }]);
  });
});

describe('a batch whose last image is there', () => {
  it('is heard to its end', async () => {
    const stream = async function* ({ signal }: GenerateOptions): AsyncGenerator<StreamEvent> {
      const { rgb } = gradient();
      yield { type: 'image', index: 0, image: new GeneratedImage(rgb, receiptOf()) };
      signal?.throwIfAborted();
      const warnings = [{ code: 'BACKEND_FALLBACK', message: 'slow path' }] as const;
      const timings = { textEncoder: 1, unet: 2, vaeDecoder: 3, total: 6 };
      yield { type: 'done', warnings, timings, backend: { name: 'memory', runtime: '1', tried: [] } };
    };
    const queued = drawing().ask();
    await expect(runBatch({ stream }, [queued])).resolves.toEqual(['slow path']);
    expect(queued.state).toBe('completed');
  });
});

describe('a batch that nobody waits for', () => {
  const never = { stream: () => expect.unreachable('nothing is drawn') as never };
  const leaves = (order: Partial<RequestOrder>) => drawing().ask({}, order);

  it('is not begun', async () => {
    const queued = leaves({});
    queued.cancel(new Error('left'));
    await expect(runBatch(never, [queued])).resolves.toEqual([]);
  });

  it.each([
    ['its end is none that anybody is told of', (signal: AbortSignal) => signal.reason, undefined],
    ['but a crash is', crash, { code: 'BACKEND_CRASHED' }],
  ])('ends: %s', async (_, errorOf, told) => {
    const queued = leaves({});
    const stream = async function* ({ signal }: { signal?: AbortSignal | undefined }) {
      queued.cancel(new Error('left'));
      yield* [];
      throw errorOf(signal as AbortSignal);
    };
    const run = runBatch({ stream }, [queued]);
    if (told === undefined) await expect(run).resolves.toEqual([]);
    else await expect(run).rejects.toMatchObject(told);
  });
});

describe('the health of a server whose model', () => {
  it.each(['BACKEND_CRASHED', 'DEVICE_LOST'] as const)(
    'ends with %s again and again is bad, and each is counted',
    async (code) => {
      const held = drawing();
      held.model.onStep = () => {
        throw new T2IError(code, 'gone');
      };
      expect(await triesUntilBroken(held)).toBe(5);
      expect(await held.health.broken).toMatchObject({ code, cause: { code } });
      expect(await held.metric('t2i_backend_restarts_total{model="m"}')).toBe(5);
    },
  );

  it('cannot be opened, since its backend is not there any more, is bad', async () => {
    const lost = new T2IError('BACKEND_UNAVAILABLE', 'no GPU');
    const held = drawing(memoryModel('m', { open: () => Promise.reject(lost) }));
    expect(await triesUntilBroken(held)).toBe(5);
    const message = expect.stringMatching(/5 times in a row.*: no GPU$/);
    expect(await held.health.broken).toMatchObject({ code: 'BACKEND_UNAVAILABLE', message, cause: lost });
    // Nothing ended that could be counted as started anew.
    expect(await held.metric('t2i_backend_restarts_total')).toBeUndefined();
  });

  it('cannot draw what is asked is good', async () => {
    const held = drawing();
    held.model.onStep = () => {
      throw new T2IError('OUT_OF_MEMORY', 'too large');
    };
    expect(await triesUntilBroken(held)).toBe(Number.POSITIVE_INFINITY);
    const others = drawing();
    others.model.onStep = () => {
      throw Object.assign(new Error('not of this package'), { code: 'BACKEND_CRASHED' });
    };
    expect(await triesUntilBroken(others)).toBe(Number.POSITIVE_INFINITY);
    expect(await held.metric('t2i_backend_restarts_total')).toBeUndefined();
  });

  it('crashes is as bad where clients leave in between, and better by an image', async () => {
    for (const [between, expected] of [
      ['left', 2],
      ['completed', 5],
    ] as const) {
      const held = drawing();
      const { ask, draw, model } = held;
      const crashes = () => {
        throw crash();
      };
      model.onStep = crashes;
      for (let time = 0; time < 3; time++) await draw(ask()).catch(() => {});
      const queued = ask();
      model.onStep = () => {
        if (between === 'left') queued.cancel(new Error('left'));
      };
      await draw(queued);
      model.onStep = crashes;
      expect(await triesUntilBroken(held)).toBe(expected);
    }
  });

  it('crashes after it has drawn something of a batch is good', async () => {
    const held = drawing();
    const { ask, draw, model, health } = held;
    model.onStep = (steps) => {
      if (steps % 5 === 0) throw crash();
    };
    for (let time = 0; time < 8; time++) await draw(ask(), ask({ seed: 2 })).catch(() => {});
    expect([health.isBroken, model.steps]).toEqual([false, 40]);
  });
});
