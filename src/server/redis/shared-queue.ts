import { randomBytes } from 'node:crypto';
import type { Queue } from 'bullmq';
import type { Redis } from 'ioredis';
import { refusal, refusalOf } from '../http/refusal.js';
import { GoesOnElsewhere, RepeatedJob } from '../jobs/elsewhere.js';
import type { ServerLog } from '../log.js';
import type { ServedModels } from '../models/served-model.js';
import type { Clock } from '../queue/clock.js';
import { workOf } from '../queue/estimate.js';
import { queueFull, SHORT_WAIT, shuttingDown, tooLate } from '../queue/queue-refusals.js';
import { QueuedRequest, type RequestOrder } from '../queue/queued-request.js';
import type { ServerQueue } from '../queue/server-queue.js';
import { BULL_PREFIX, DRAW } from './bull.js';
import type { RedisPackages } from './connection.js';
import { FollowedOrder } from './followed-order.js';
import { Follower } from './follower.js';
import { failed, type OrderEnd, type SharedOrder } from './order.js';
import type { FoundOrder, OrderStore } from './order-store.js';
import { queueName } from './queue-name.js';
import { SharedView } from './shared-view.js';

export interface SharedQueueParts {
  readonly packages: RedisPackages;
  /** Fails at once where Redis is away. */
  readonly client: Redis;
  readonly subscriber: Redis;
  readonly store: OrderStore;
  readonly models: ServedModels;
  readonly limit: number;
  readonly limitPerKey: number;
  readonly clock: Clock;
  readonly log: ServerLog;
}

/** Milliseconds that an order without a job is kept after its end, where its server does not fetch it. */
const KEPT = 60_000;

/** A request that is waited for here, and followed there. */
interface Here {
  readonly queued: QueuedRequest;
  readonly followed: FollowedOrder;
  /** Whether it can be asked after at other servers, and goes on without this one. */
  readonly outlives: boolean;
}

/** BullMQ takes no larger one; from there on it is first come, first served until the queue was empty. */
const LAST_ROUND = 2_000_000;

/** What is carried out elsewhere: who waits for it here is told as if it were done here. */
export class SharedQueue implements ServerQueue {
  readonly #parts: SharedQueueParts;
  readonly #follower: Follower;
  readonly #queues = new Map<string, Queue>();
  /** What is followed here, by its id. */
  readonly #here = new Map<string, Here>();
  readonly #ids = new WeakMap<QueuedRequest, string>();
  /** What is to be said of an order when Redis is back. */
  readonly #unsaid = new Map<string, () => Promise<unknown>>();
  readonly #view: SharedView;
  #draining = false;
  #closing = false;

  private constructor(parts: SharedQueueParts) {
    this.#parts = parts;
    this.#view = new SharedView(parts.store);
    const { store, subscriber, clock, log, client } = parts;
    this.#follower = new Follower(store, subscriber, clock, log, () => void this.#view.look());
    client.on('ready', () => this.#catchUp());
  }

  /** @throws what Redis answers */
  static async open(parts: SharedQueueParts): Promise<SharedQueue> {
    const queue = new SharedQueue(parts);
    await queue.#follower.open();
    await queue.#view.look();
    return queue;
  }

  get limit(): number {
    return this.#parts.limit;
  }

  get length(): number {
    return this.#view.waiting;
  }

  get running(): number {
    return this.#view.running;
  }

  /** Processes that draw. */
  get workers(): number {
    return this.#view.workers;
  }

  /** Whether Redis can be reached. */
  get isUp(): boolean {
    return this.#parts.client.status === 'ready';
  }

  get draining(): boolean {
    return this.#draining;
  }

  onMove(call: () => void): () => void {
    return this.#view.onMove(call);
  }

  /** How many wait is Redis' to say, when the order comes there. */
  admit(): void {
    if (this.#draining) throw shuttingDown();
    if (!this.isUp) throw unavailable();
  }

  add(order: RequestOrder): QueuedRequest {
    order.signal?.throwIfAborted();
    this.admit();
    const id = order.job?.id ?? `order_${randomBytes(16).toString('base64url')}`;
    const here = this.#enter(id, order);
    const { queued } = here;
    this.#put(id, here, order).catch((error: unknown) => {
      queued.refuse(redisError(error));
      // It may be there all the same, and nobody knows of it.
      void this.#say(id, () => this.#parts.store.forget(id));
    });
    return queued;
  }

  /** Follows an order that another server, or this one before, has taken. */
  attach(id: string, order: RequestOrder, { end, takes, round, left }: FoundOrder): QueuedRequest {
    const { queued, followed } = this.#enter(id, order, end === null ? left : order.timeout);
    queued.accept();
    void this.#follower.follow(id, followed);
    // Whoever took it may have ended before it was offered; where it was, this changes nothing.
    if (end === null && takes === 0) void this.#say(id, () => this.#offer(id, order.model, round));
    return queued;
  }

  position(queued: QueuedRequest): number {
    return this.#view.position(this.#ids.get(queued));
  }

  eta(queued: QueuedRequest): number | null {
    return this.#view.eta(this.#ids.get(queued));
  }

  async drain(): Promise<void> {
    this.#draining = true;
    // Jobs go on elsewhere, and are asked after there.
    const ours = [...this.#here.values()].filter(({ outlives }) => !outlives);
    await Promise.all(ours.map(({ queued }) => queued.result.catch(() => {})));
  }

  async close(): Promise<void> {
    if (this.#closing) return;
    this.#draining = true;
    this.#closing = true;
    const left = [...this.#here].map(async ([id, here]) => {
      here.queued.fail(here.outlives ? new GoesOnElsewhere() : shuttingDown());
      if (!here.outlives) await this.#leaveThere(id, here);
    });
    await Promise.all(left);
    this.#follower.close();
    await Promise.all([...this.#queues.values()].map((queue) => queue.close().catch(() => {})));
    this.#parts.client.disconnect();
  }

  #enter(id: string, order: RequestOrder, left = order.timeout): Here {
    const { clock, store, log } = this.#parts;
    const queued = new QueuedRequest(order, clock);
    const here = { queued, followed: new FollowedOrder(id, queued, store, log), outlives: order.job !== undefined };
    this.#here.set(id, here);
    this.#ids.set(queued, id);
    const forget = clock.after(left, () => queued.fail(tooLate(order.timeout)));
    queued.onSettled(() => {
      forget();
      this.#follower.unfollow(id);
      this.#here.delete(id);
      if (!this.#closing && !queued.wasRefused) void this.#leaveThere(id, here);
    });
    return here;
  }

  async #put(id: string, here: Here, order: RequestOrder): Promise<void> {
    const { queued, followed } = here;
    const { store, models, limit, limitPerKey } = this.#parts;
    const { model, key, request, api, timeout, job } = order;
    const queue = queueName(models.find(model));
    const shared: SharedOrder = { model, key, api, request, ...(job && { job: job.facts }) };
    const kept = job?.kept ?? KEPT;
    const work = workOf(request);
    const asked = { id, order: shared, queue, work, timeout, kept, limit, limitPerKey, repeat: job?.repeat };
    const answer = await store.accept(asked);
    if (answer.kind === 'repeated') return queued.refuse(new RepeatedJob(answer.id, answer.body));
    if (answer.kind !== 'accepted') return queued.refuse(this.#full(answer.kind));
    await this.#offer(id, model, answer.round);
    await this.#view.look();
    queued.accept();
    // Left meanwhile, before anybody could be told.
    if (queued.settled) await this.#leaveThere(id, here);
    else await this.#follower.follow(id, followed);
  }

  /** Offers an order to those who draw; once, however often it is called. */
  async #offer(id: string, model: string, round: number): Promise<void> {
    await this.#queue(model).add(DRAW, {}, { jobId: id, priority: Math.min(round, LAST_ROUND) });
  }

  /** Nobody waits here any more: where it is not over there, it ends there as it did here; else nobody asks for it any more. */
  async #leaveThere(id: string, { queued, followed, outlives }: Here): Promise<void> {
    const { store } = this.#parts;
    if (!followed.isOver) {
      const end = await endOf(queued);
      await this.#say(id, async () => {
        if (await store.leave(id, end)) await this.#queue(queued.model).remove(id);
      });
    } else if (!outlives) await this.#say(id, () => store.forget(id));
  }

  /** Says something of an order, or when Redis is back. */
  async #say(id: string, say: () => Promise<unknown>): Promise<void> {
    await say().catch(() => this.#unsaid.set(id, say));
  }

  #catchUp(): void {
    this.#follower.catchUp();
    for (const [id, say] of this.#unsaid) {
      this.#unsaid.delete(id);
      void this.#say(id, say);
    }
  }

  #queue(model: string): Queue {
    const { packages, client, models } = this.#parts;
    const name = queueName(models.find(model));
    const known = this.#queues.get(name);
    if (known !== undefined) return known;
    const queue = new packages.bullmq.Queue(name, {
      connection: client,
      prefix: BULL_PREFIX,
      defaultJobOptions: { removeOnComplete: true, removeOnFail: true },
    });
    // Each call tells its own errors.
    queue.on('error', () => {});
    this.#queues.set(name, queue);
    return queue;
  }

  #full(kind: 'full' | 'full of key') {
    const { limit, limitPerKey } = this.#parts;
    // The first that waits is started then; the first of a key not before.
    const free = this.#view.eta(undefined);
    return kind === 'full' ? queueFull(limit, 'all', free) : queueFull(limitPerKey, 'a key', free);
  }
}

/** How a request ended here, for those who follow it elsewhere. */
async function endOf(queued: QueuedRequest): Promise<OrderEnd> {
  try {
    await queued.result;
    return { kind: 'completed' };
  } catch (error) {
    return queued.state === 'cancelled' ? { kind: 'cancelled' } : failed(refusalOf(error));
  }
}

function unavailable(cause?: unknown) {
  return refusal('queue_unavailable', 'The queue cannot be reached; nothing was started', {
    retryAfter: SHORT_WAIT,
    cause,
  });
}

/** What Redis or its client threw; everything else stays as it is. */
function redisError(error: unknown): unknown {
  const refused = refusalOf(error);
  return refused.code === 'internal' ? unavailable(error) : refused;
}
