import type { Job, Worker } from 'bullmq';
import type { ServerLimits } from '../http/limits.js';
import { Refusal, refusal } from '../http/refusal.js';
import type { ServerLog } from '../log.js';
import type { ServedModel } from '../models/served-model.js';
import { likenessOf } from '../queue/likeness.js';
import type { RequestQueue } from '../queue/request-queue.js';
import { DRAW } from './bull.js';
import { checkOrder } from './checked-order.js';
import { type Fetched, HeldOrder } from './held-order.js';
import type { LockKeeper } from './lock-keeper.js';
import { ForeignContent, failed, type OrderEnd, type SharedOrder } from './order.js';
import type { OrderStore, Taken } from './order-store.js';

/** How often an order is drawn at most: what ended two processes is not given to a third. */
const MOST_TAKES = 2;

/** What became of an order that came up, for the metrics. */
export type OrderOutcome = 'taken' | 'repeated' | 'refused';

export interface TakerParts {
  readonly store: OrderStore;
  readonly queue: RequestQueue;
  readonly limits: ServerLimits;
  readonly log: ServerLog;
  readonly onOrder: (outcome: OrderOutcome) => void;
}

/** Fetches orders from BullMQ, and takes those that are to be drawn. */
export class OrderTaker {
  #tokens = 0;

  constructor(
    private readonly parts: TakerParts,
    private readonly name: string,
    private readonly locks: LockKeeper,
  ) {}

  /** The next order of a queue; null where there is none. */
  async fetch(bull: Worker, block: boolean): Promise<Fetched | null> {
    const token = `${this.name}:${this.#tokens++}`;
    const job = await this.#next(bull, token, block);
    if (job === undefined) return null;
    return { job, token, letGo: this.locks.keep(bull, job.id as string, token) };
  }

  async #next(bull: Worker, token: string, block: boolean): Promise<Job | undefined> {
    try {
      return await bull.getNextJob(token, { block });
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      const { store, log, onOrder } = this.parts;
      for (const id of await store.discard(bull.name, token)) {
        onOrder('refused');
        log.error({ order: id, err: error }, 'a job in Redis that cannot be read is removed');
        await store.leave(id, failed(FOREIGN));
      }
      return undefined;
    }
  }

  async putBack({ job, token, letGo }: Fetched): Promise<void> {
    letGo();
    await job.moveToWait(token).catch(() => {});
  }

  /** Whether an order that came up can be drawn with another: all but the seeds is the same, and there is room. */
  async isLike({ job }: Fetched, other: SharedOrder, room: number): Promise<boolean> {
    const found = await this.parts.store.find(job.id as string).catch(() => null);
    if (found === null || found.takes > 0 || found.order.request.seeds.length > room) return false;
    return likenessOf(found.order.request) === likenessOf(other.request);
  }

  /** Takes an order; null for one that is not to be drawn, whose end is told. */
  async take(served: ServedModel, fetched: Fetched): Promise<HeldOrder | null> {
    const { job, token, letGo } = fetched;
    try {
      const held = await this.#take(served, fetched);
      if (held !== null) return held;
    } catch (error) {
      // Others get it when its lock is over.
      letGo();
      throw error;
    }
    letGo();
    await job.moveToCompleted(null, token, false).catch(() => {});
    return null;
  }

  async #take(served: ServedModel, fetched: Fetched): Promise<HeldOrder | null> {
    const { store, log, queue, onOrder } = this.parts;
    const { job, token } = fetched;
    const id = job.id as string;
    const taken = await store.take(job.queueName, id, token);
    if (taken === null) return null;
    const read = this.#read(served, job, taken);
    if (!('request' in read)) {
      await store.finish(id, token, read);
      return null;
    }
    onOrder(taken.takes > 0 ? 'repeated' : 'taken');
    if (taken.takes > 0) log.warn({ order: id, model: served.id }, 'the process that drew it ended; it is drawn on');
    return new HeldOrder({ store, log, queue }, fetched, read, taken);
  }

  /** What is to be drawn, or the end of what is not. */
  #read(served: ServedModel, job: Job, { text, takes, cancelled, left }: Taken): SharedOrder | OrderEnd {
    if (cancelled) return { kind: 'cancelled' };
    if (left <= 0) return failed(refusal('deadline_exceeded', 'The request was not done in its time'));
    if (takes >= MOST_TAKES) return failed(CRASHED);
    try {
      if (job.name !== DRAW) throw new ForeignContent('A job in Redis is none of this package');
      return checkOrder(text, served, this.parts.limits);
    } catch (error) {
      this.parts.onOrder('refused');
      this.parts.log.error({ order: job.id, model: served.id, err: error }, 'an order in Redis is refused');
      return failed(error instanceof Refusal ? error : FOREIGN);
    }
  }
}

const CRASHED = new Refusal(503, 'backend_crashed', 'Each process that drew it ended unexpectedly.');
const FOREIGN = new Refusal(500, 'internal', 'The order in the shared queue cannot be read.');
