import { randomBytes } from 'node:crypto';
import type { Worker } from 'bullmq';
import type { Redis } from 'ioredis';
import type { ServedModel } from '../models/served-model.js';
import type { Clock } from '../queue/clock.js';
import { BULL_PREFIX } from './bull.js';
import { type RedisPackages, reconnected } from './connection.js';
import type { Fetched, HeldOrder } from './held-order.js';
import { LockKeeper } from './lock-keeper.js';
import { OrderTaker, type TakerParts } from './order-taker.js';
import { queueName } from './queue-name.js';

/** Milliseconds between two signs of life. */
const BEAT = 10_000;
/** Milliseconds until a queue that could not be read is read again. */
const PAUSE = 1000;
/** Seconds that an idle worker waits for an order before it asks again. */
const IDLE = 2;

export interface WorkerParts extends TakerParts {
  readonly packages: RedisPackages;
  /** Waits where Redis is away: what is drawn must not be lost. It is closed with the worker. */
  readonly client: Redis;
  readonly models: readonly ServedModel[];
  /** As of `ServerOptions`; the queue of this process needs no window of its own. */
  readonly batchWindow: number;
  readonly batchImages: number;
  readonly clock: Clock;
  /** As of `RedisOptions`. */
  readonly lock: number;
}

/** Draws orders of the shared queue: one batch at a time, with no more orders in hand than that and the next of each other model. */
export class SharedWorker {
  readonly #parts: WorkerParts;
  readonly #name = randomBytes(8).toString('hex');
  readonly #locks: LockKeeper;
  readonly #taker: OrderTaker;
  readonly #bulls: Worker[] = [];
  /** Whoever draws has the device; the others wait for the end of this. */
  #turn: Promise<void> = Promise.resolve();
  #loops: readonly Promise<void>[] = [];
  #stopping = false;
  #ended: Promise<void> | null = null;
  #stopBeats: () => void = () => {};

  constructor(parts: WorkerParts) {
    this.#parts = parts;
    this.#locks = new LockKeeper(parts.clock, parts.lock);
    this.#taker = new OrderTaker(parts, this.#name, this.#locks);
  }

  start(): void {
    this.#beat();
    this.#loops = this.#parts.models.map((served) => this.#serve(served, this.#open(queueName(served))));
  }

  /** Takes nothing more; resolves when what it has is done, or given back by `close`. */
  async drain(): Promise<void> {
    this.#stopping = true;
    await this.#turn;
    await this.#end();
  }

  /** Takes nothing more, and gives back what it has. */
  async close(): Promise<void> {
    this.#stopping = true;
    await this.#parts.queue.close();
    // Where Redis is away what is to be told stays untold: others draw it.
    await Promise.race([this.#turn, isAway(this.#parts.client)]);
    await this.#end();
  }

  #open(name: string): Worker {
    const { packages, client, lock } = this.#parts;
    const bull = new packages.bullmq.Worker(name, null, {
      connection: client,
      prefix: BULL_PREFIX,
      autorun: false,
      lockDuration: lock,
      stalledInterval: lock / 2,
      // How often an order may be taken is counted with the order.
      maxStalledCount: 1000,
      drainDelay: IDLE,
    });
    // Each call tells its own errors.
    bull.on('error', () => {});
    void bull.startStalledCheckTimer();
    this.#bulls.push(bull);
    return bull;
  }

  async #serve(served: ServedModel, bull: Worker): Promise<void> {
    const { clock, client } = this.#parts;
    while (!this.#stopping) {
      try {
        const first = await this.#taker.fetch(bull, true);
        if (first !== null) await this.#inTurn(() => this.#draw(served, bull, first));
      } catch (error) {
        if (this.#stopping) return;
        this.#warn(served, error);
        await new Promise<void>((resolve) => clock.after(PAUSE, resolve));
        await reconnected(client);
      }
    }
  }

  async #inTurn(work: () => Promise<void>): Promise<void> {
    const turn = this.#turn.then(work);
    this.#turn = turn.catch(() => {});
    await turn;
  }

  /** Draws an order, and others like it that wait behind it. */
  async #draw(served: ServedModel, bull: Worker, fetched: Fetched): Promise<void> {
    if (this.#stopping) return this.#taker.putBack(fetched);
    const first = await this.#taker.take(served, fetched);
    if (first === null) return;
    const { queue, store } = this.#parts;
    const warn = (error: unknown) => this.#warn(served, error);
    const batch: [HeldOrder, ...HeldOrder[]] = [first];
    // What ended a process may have been the cause: it is drawn alone. What is here is drawn, though the others cannot be reached.
    if (!first.isRepeated) await this.#gather(served, bull, batch).catch(warn);
    await Promise.all(batch.map((held) => held.draw().catch(warn)));
    const rate = queue.estimate.of(served.id, 1);
    if (rate !== null) await store.learn(queueName(served), rate);
  }

  /** Takes what waits behind an order and is drawn with it. */
  async #gather(served: ServedModel, bull: Worker, batch: [HeldOrder, ...HeldOrder[]]): Promise<void> {
    const { batchWindow, batchImages, clock } = this.#parts;
    const [first] = batch;
    if (batchWindow > 0) await new Promise<void>((resolve) => clock.after(batchWindow, resolve));
    let room = batchImages - first.images;
    while (room > 0 && !this.#stopping) {
      const fetched = await this.#taker.fetch(bull, false);
      if (fetched === null) return;
      if (!(await this.#taker.isLike(fetched, first.order, room))) return this.#taker.putBack(fetched);
      const held = await this.#taker.take(served, fetched);
      if (held === null) continue;
      batch.push(held);
      room -= held.images;
    }
  }

  #warn({ id }: ServedModel, error: unknown): void {
    this.#parts.log.warn({ model: id, err: error }, 'an order of the shared queue was not drawn');
  }

  #beat(): void {
    const { store, clock } = this.#parts;
    store.beat(this.#name, true).catch(() => {});
    this.#stopBeats = clock.after(BEAT, () => this.#beat());
  }

  #end(): Promise<void> {
    this.#ended ??= this.#shut();
    return this.#ended;
  }

  async #shut(): Promise<void> {
    const { client, store } = this.#parts;
    this.#stopBeats();
    // Ends the waiting for an order; one that came up meanwhile is put back.
    await Promise.all(this.#bulls.map((bull) => bull.close(true)));
    const left = Promise.all(this.#loops).then(() => store.beat(this.#name, false));
    await Promise.race([left, isAway(client)]).catch(() => {});
    this.#locks.close();
    client.disconnect();
  }
}

/** Resolves when the connection breaks off, at once where it has. */
async function isAway(client: Redis): Promise<void> {
  if (client.status === 'ready') await new Promise((resolve) => client.once('close', resolve));
}
