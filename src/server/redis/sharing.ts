import type { Redis } from 'ioredis';
import type { ServerLimits } from '../http/limits.js';
import type { ServerLog } from '../log.js';
import type { ServedModels } from '../models/served-model.js';
import type { Clock } from '../queue/clock.js';
import type { RequestQueue } from '../queue/request-queue.js';
import type { RedisOptions } from './address.js';
import { connect, loadPackages, type Patience, type RedisPackages } from './connection.js';
import { OrderStore } from './order-store.js';
import type { OrderOutcome } from './order-taker.js';
import { SharedQueue } from './shared-queue.js';
import { SharedWorker } from './shared-worker.js';

/** Milliseconds that a silent process keeps what it has. */
const LOCK = 10_000;
/** Most bytes of the images of orders that are over, of all servers together; the oldest go first. */
const MOST_BYTES = 1 << 30;

export interface SharingParts {
  readonly redis: RedisOptions;
  readonly models: ServedModels;
  readonly limits: ServerLimits;
  readonly clock: Clock;
  readonly log: ServerLog;
}

/** What of this process has to do with a Redis: each part has connections of its own, which it closes. */
export class Sharing {
  readonly #parts: SharingParts;
  readonly #packages: RedisPackages;

  private constructor(parts: SharingParts, packages: RedisPackages) {
    this.#parts = parts;
    this.#packages = packages;
  }

  /** @throws T2IError BACKEND_UNAVAILABLE where the packages are missing */
  static async load(parts: SharingParts): Promise<Sharing> {
    return new Sharing(parts, await loadPackages());
  }

  /** @throws T2IError NETWORK_FAILED */
  async openQueue(bounds: {
    readonly limit: number;
    readonly limitPerKey: number;
  }): Promise<{ readonly queue: SharedQueue; readonly store: OrderStore }> {
    const connections: Redis[] = [];
    try {
      const client = await this.#connect('fails');
      connections.push(client);
      const subscriber = await this.#connect('waits');
      connections.push(subscriber);
      const store = new OrderStore(client, MOST_BYTES);
      return { queue: await SharedQueue.open({ ...this.#common, ...bounds, client, subscriber, store }), store };
    } catch (error) {
      for (const connection of connections) connection.disconnect();
      throw error;
    }
  }

  /** @throws T2IError NETWORK_FAILED */
  async openWorker(drawing: {
    readonly queue: RequestQueue;
    readonly batchWindow: number;
    readonly batchImages: number;
    readonly onOrder: (outcome: OrderOutcome) => void;
  }): Promise<SharedWorker> {
    const client = await this.#connect('waits');
    const models = this.#parts.models.all;
    const { limits, redis } = this.#parts;
    const { lock = LOCK } = redis;
    return new SharedWorker({
      ...this.#common,
      ...drawing,
      lock,
      limits,
      models,
      client,
      store: new OrderStore(client, MOST_BYTES),
    });
  }

  get #common() {
    const { models, clock, log } = this.#parts;
    return { packages: this.#packages, models, clock, log };
  }

  #connect(patience: Patience): Promise<Redis> {
    return connect(this.#packages, this.#parts.redis.url, patience);
  }
}
