import { EventEmitter } from 'node:events';
import type { Redis } from 'ioredis';
import { vi } from 'vitest';
import { ServerLimits } from '../../../../src/server/http/limits.js';
import type { RedisPackages } from '../../../../src/server/redis/connection.js';
import { readOrder } from '../../../../src/server/redis/order.js';
import type { FoundOrder, OrderStore, Taken } from '../../../../src/server/redis/order-store.js';
import { queueName } from '../../../../src/server/redis/queue-name.js';
import { SharedWorker, type WorkerParts } from '../../../../src/server/redis/shared-worker.js';
import { FakeClock, settled } from '../../../support/fake-clock.js';
import { heldQueue } from '../../../support/held-queue.js';
import { memoryModel } from '../../../support/memory-server.js';

const REQUEST = {
  ...{ prompt: 'a cat', negativePrompt: '', seeds: [1], steps: 5, guidanceScale: 2, sampler: 'ddim' },
  ...{ sigmas: null, eta: 0, width: 32, height: 32, previewEvery: 0 },
};
export const ONE = memoryModel('one');
export const TWO = memoryModel('two');

interface Asked {
  readonly seeds?: readonly number[];
  readonly prompt?: string;
  readonly model?: string;
  /** Of what the store says when it is taken. */
  readonly taken?: Partial<Taken>;
}

/** A worker over a BullMQ with the queues of two models, and a device whose batches end when the test says so. */
export function working(more: Partial<WorkerParts> = {}) {
  const orders = new Map<string, Taken>();
  const queues = new Map<string, object[]>();
  const made: { name: string; options: object; bull: Bull }[] = [];
  const fetches: { name: string; block: boolean }[] = [];
  const fails: Error[] = [];

  /** As BullMQ's: waits where it is told to, until something comes or it is closed. */
  class Bull extends EventEmitter {
    startStalledCheckTimer = vi.fn(async () => {});
    #wake = () => {};
    #closed = false;
    close = vi.fn(async (_force: boolean) => {
      this.#closed = true;
      this.#wake();
    });
    constructor(
      readonly name: string,
      _: null,
      options: object,
    ) {
      super();
      made.push({ name, options, bull: this });
    }
    wake = () => this.#wake();
    async getNextJob(_token: string, { block }: { block: boolean }): Promise<unknown> {
      fetches.push({ name: this.name, block });
      const waiting = queues.get(this.name) as object[];
      while (block && waiting.length === 0 && fails.length === 0 && !this.#closed)
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      const error = fails.shift();
      if (error) throw error;
      return waiting.shift();
    }
  }

  const store = {
    take: vi.fn(async (_queue: string, id: string): Promise<Taken | null> => orders.get(id) ?? null),
    find: vi.fn(async (id: string): Promise<FoundOrder | null> => {
      const { text, takes, left } = orders.get(id) as Taken;
      return { order: readOrder(text as string), end: null, takes, round: 1, left };
    }),
    finish: vi.fn(async (..._args: unknown[]) => true),
    giveBack: vi.fn(async (..._args: unknown[]) => true),
    image: vi.fn(async () => 'ok'),
    learn: vi.fn(async (_queue: string, _rate: number) => {}),
    beat: vi.fn(async (_worker: string, _goesOn: boolean) => {}),
  };
  const putBack = vi.fn();
  const put = (id: string, { taken = {}, model = 'one', seeds = [1], prompt = 'a cat' }: Asked = {}) => {
    const name = queueName(model === 'one' ? ONE : TWO);
    const text = JSON.stringify({ v: 1, model, key: 'a', api: 'jobs', request: { ...REQUEST, seeds, prompt } });
    orders.set(id, { ...{ text, left: 60_000, takes: 0, cancelled: false, drawn: [] }, ...taken });
    const job = {
      ...{ id, name: 'draw', queueName: name, moveToCompleted: vi.fn(async () => {}) },
      moveToWait: async () => void putBack(id),
    };
    queues.get(name)?.push(job);
    for (const { bull } of made) bull.wake();
    return settled();
  };
  for (const model of [ONE, TWO]) queues.set(queueName(model), []);

  const client = Object.assign(new EventEmitter(), { status: 'ready', disconnect: vi.fn() });
  const clock = new FakeClock();
  const drawing = heldQueue({ limit: 100, limitPerKey: 100, batchImages: 100 });
  const log = { info: vi.fn(), warn: vi.fn(), error: vi.fn() };
  const worker = new SharedWorker({
    packages: { bullmq: { Worker: Bull } } as unknown as RedisPackages,
    ...{ client: client as unknown as Redis, store: store as unknown as OrderStore, queue: drawing.queue },
    ...{ limits: new ServerLimits({}), log, clock, onOrder: vi.fn(), models: [ONE, TWO], lock: 30_000 },
    ...{ batchWindow: 0, batchImages: 4, ...more },
  });
  return {
    ...{ worker, store, client, clock, drawing, log, put, putBack, fetches, fails, made },
    async start() {
      worker.start();
      await settled();
    },
    /** Seeds of the orders of each batch so far. */
    seeds: () => drawing.batches.map((batch) => batch.map(({ request }) => request.seeds)),
    finished: () => store.finish.mock.calls.map(([id, , end]) => [id, (end as { kind: string }).kind]),
    beats: () => store.beat.mock.calls.map(([, goesOn]) => goesOn),
    /** How often it asked for more than the first of a batch. */
    gathered: () => fetches.filter(({ block }) => !block).length,
  };
}
