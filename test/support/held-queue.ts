import { T2IError } from '../../src/errors.js';
import type { GeneratedImage } from '../../src/image/generated-image.js';
import { parseRequest, type RequestOptions } from '../../src/options.js';
import type { Batch, RequestOrder } from '../../src/server/queue/queued-request.js';
import { type QueueOptions, RequestQueue } from '../../src/server/queue/request-queue.js';
import { FakeClock, settled } from './fake-clock.js';
import { LIMITS } from './request-limits.js';

const IMAGE = {} as GeneratedImage;

/** A queue whose batches end when the test says so. */
export function heldQueue(options: Partial<QueueOptions> = {}) {
  const clock = new FakeClock();
  const batches: Batch[] = [];
  let running: { resolve(): void; reject(error: unknown): void; onOpen(): void } | null = null;
  const queue = new RequestQueue({
    ...{ limit: 4, limitPerKey: 4, batchWindow: 0, batchImages: 1, clock },
    run: (batch, onOpen) => {
      batches.push(batch);
      return new Promise((resolve, reject) => {
        running = { resolve, reject, onOpen };
      });
    },
    ...options,
  });
  const add = (options: RequestOptions, order: Partial<RequestOrder> = {}) => {
    const request = parseRequest({ seed: 1, ...options }, LIMITS);
    return queue.add({ key: 'a', model: 'm', api: 'test', timeout: 60_000, request, ...order });
  };
  return {
    ...{ queue, clock, batches, add },
    /** Of the batches so far. */
    prompts: () => batches.map((batch) => batch.map(({ request }) => request.prompt).join('+')),
    /** The model of the batch that runs is open. */
    open: () => running?.onOpen(),
    /** Completes the batch that runs. */
    async finish() {
      for (const each of batches.at(-1) ?? []) {
        for (const index of each.request.seeds.keys()) each.image(index, IMAGE);
      }
      running?.resolve();
      await settled();
    },
    async crash(error: unknown = new T2IError('BACKEND_CRASHED', 'gone')) {
      running?.reject(error);
      await settled();
    },
  };
}
