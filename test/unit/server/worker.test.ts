import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { T2IError } from '../../../src/errors.js';
import { describeModel } from '../../../src/model/layout.js';
import { DEFAULT_MODEL } from '../../../src/model/resolve.js';
import { parseRequest } from '../../../src/options.js';
import { Pipeline } from '../../../src/pipeline.js';
import { limitsOfServed } from '../../../src/server/models/served-model.js';
import type { RequestQueue } from '../../../src/server/queue/request-queue.js';
import { Sharing } from '../../../src/server/redis/sharing.js';
import { createWorker, createWorkerWith, type Worker, type WorkerOptions } from '../../../src/server/worker.js';
import { memoryPipeline } from '../../support/memory-session.js';

const TINY = fileURLToPath(new URL('../../fixtures/tiny', import.meta.url));
const REDIS = { url: 'redis://127.0.0.1:6379/0' };

/** What a worker does with the queue that is shared. */
interface Drawing {
  readonly queue: RequestQueue;
  readonly batchWindow: number;
  readonly batchImages: number;
  readonly onOrder: (outcome: string) => void;
}

let calls: string[];
let drawing: Drawing;
let end: () => void;

/** A queue that is shared with nobody. */
beforeEach(() => {
  calls = [];
  const worker = {
    start: () => calls.push('start'),
    drain: () => {
      calls.push('drain');
      return new Promise<void>((resolve) => {
        end = resolve;
      });
    },
    close: async () => {
      calls.push('close');
      end?.();
    },
  };
  vi.spyOn(Sharing, 'load').mockResolvedValue({
    openWorker: async (parts: Drawing) => {
      drawing = parts;
      return worker;
    },
  } as never);
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

const open = (options: Partial<WorkerOptions> = {}) => createWorker({ redis: REDIS, models: [TINY], ...options });

describe('a worker', () => {
  it('draws for what it shares, by its own bounds, with the models that it was told of', async () => {
    const worker = await open({ models: [{ id: 'own', model: TINY }], limits: { side: 512 } });
    expect([worker.models, calls]).toEqual([['own'], ['start']]);
    expect(vi.mocked(Sharing.load).mock.calls[0]?.[0]).toMatchObject({ redis: REDIS, limits: { side: 512 } });
    expect(drawing).toMatchObject({ batchWindow: 5, batchImages: 8 });
    await worker.close();
    await open({ batchWindow: 20, batchImages: 2 });
    expect(drawing).toMatchObject({ batchWindow: 20, batchImages: 2 });
  });

  it('draws with the model that ships where it is told of none', async () => {
    const describe = vi.fn(async () => describeModel(TINY));
    const worker = await createWorkerWith(describe, { redis: REDIS, load: { backend: 'pytorch' } });
    expect(describe.mock.calls).toEqual([[DEFAULT_MODEL, 'safetensors']]);
    await worker.close();
  });

  it('refuses options that are wrong before it reads anything', async () => {
    const describe = vi.fn(async () => describeModel(TINY));
    const opened = createWorkerWith(describe, { redis: { url: 'http://secret' }, batchImages: 0 });
    await expect(opened).rejects.toMatchObject({ issues: [{ option: 'batchImages' }, { option: 'redis.url' }] });
    expect(describe).not.toHaveBeenCalled();
    await expect(open({ limits: { images: 0 } })).rejects.toMatchObject({ code: 'OPTION_INVALID' });
  });

  it("refuses what is a server's alone, and to have no queue", async () => {
    const options = { redis: REDIS, queue: 5, apiKeys: ['a-key-that-is-long-enough'] };
    await expect(createWorker(options)).rejects.toMatchObject({
      ...{ code: 'OPTION_INVALID', issues: [{ option: 'queue' }, { option: 'apiKeys' }] },
    });
    await expect(createWorker({} as WorkerOptions)).rejects.toMatchObject({ issues: [{ option: 'redis' }] });
  });

  it('says whether all was done in time, and gives back what was not', async () => {
    const worker = await open();
    const drained = worker.drain(60_000);
    await vi.waitUntil(() => calls.includes('drain'));
    end();
    expect(await drained).toBe(true);
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const late = worker.drain(1000);
    await vi.advanceTimersByTimeAsync(1000);
    expect([await late, calls]).toEqual([false, ['start', 'drain', 'drain', 'close']]);
  });

  it.each([
    ['however often', async (worker: Worker) => void (await Promise.all([worker.close(), worker.close()]))],
    ['by leaving the block that it is of', async (worker: Worker) => worker[Symbol.asyncDispose]()],
  ])('is closed with its models, %s', async (_, close) => {
    const { pipeline, session } = memoryPipeline();
    vi.spyOn(Pipeline, 'loadWith').mockResolvedValue(pipeline);
    const worker = await open({ preload: true });
    expect(session.closes).toBe(0);
    await close(worker);
    expect([calls, session.closes]).toEqual([['start', 'close'], 1]);
  });

  it('says why it cannot go on', async () => {
    vi.spyOn(Pipeline, 'loadWith').mockRejectedValue(new T2IError('BACKEND_CRASHED', 'gone'));
    const model = await describeModel(TINY);
    const worker = await open();
    let isBroken = false;
    void worker.broken.then(() => {
      isBroken = true;
    });
    // Each is tried twice.
    for (let count = 1; count <= 3; count++) {
      expect(isBroken).toBe(false);
      const request = parseRequest({ prompt: 'x', seed: 1, steps: 1 }, limitsOfServed({ model } as never));
      const queued = drawing.queue.add({ key: 'a', model: 'tiny', api: 'test', timeout: 60_000, request });
      await expect(queued.result).rejects.toMatchObject({ code: 'BACKEND_CRASHED' });
    }
    expect(await worker.broken).toMatchObject({ code: 'BACKEND_CRASHED' });
  });

  it('logs what it does', async () => {
    const lines: string[] = [];
    vi.spyOn(Pipeline, 'loadWith').mockResolvedValue(memoryPipeline().pipeline);
    await open({ preload: true, log: { write: (line: string) => void lines.push(line) } });
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([{ model: 'tiny', msg: 'model opened' }]);
  });
});
