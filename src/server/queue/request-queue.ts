import { T2IError } from '../../errors.js';
import type { Clock } from './clock.js';
import { Estimate, workOf } from './estimate.js';
import { FairQueue } from './fair-queue.js';
import { queueFull, SHORT_WAIT, shuttingDown, tooLate } from './queue-refusals.js';
import { QueuedRequest, type RequestOrder } from './queued-request.js';
import type { ServerQueue } from './server-queue.js';

export interface QueueOptions {
  /** Most requests that wait. */
  readonly limit: number;
  /** Most of them that may be of one key. */
  readonly limitPerKey: number;
  /** Milliseconds that the first request of an idle server waits for others like it; 0 for none. */
  readonly batchWindow: number;
  /** Most images that are made together, of several requests. */
  readonly batchImages: number;
  readonly clock: Clock;
  /** Settles each of some requests that are alike, sooner or later; what it throws ends those that are not settled. */
  run(batch: readonly QueuedRequest[]): Promise<void>;
}

/** Requests that wait for the one device, and the ones that have it. */
export class RequestQueue implements ServerQueue {
  readonly estimate = new Estimate();
  readonly #options: QueueOptions;
  readonly #waiting = new FairQueue<QueuedRequest>();
  #running: { readonly batch: readonly QueuedRequest[]; readonly since: number } | null = null;
  #loop: Promise<void> | null = null;
  #draining = false;
  #cutWindow: () => void = () => {};
  readonly #movers = new Set<() => void>();

  constructor(options: QueueOptions) {
    this.#options = options;
  }

  get limit(): number {
    return this.#options.limit;
  }

  onMove(call: () => void): () => void {
    this.#movers.add(call);
    return () => void this.#movers.delete(call);
  }

  get length(): number {
    return this.#waiting.size;
  }

  get running(): number {
    return this.#running?.batch.filter(({ settled }) => !settled).length ?? 0;
  }

  get draining(): boolean {
    return this.#draining;
  }

  admit(key: string): void {
    if (this.#draining) throw shuttingDown();
    const { limit, limitPerKey } = this.#options;
    if (this.#waiting.size >= limit) throw queueFull(limit, 'all', this.#retryAfter());
    if (this.#waiting.sizeOf(key) >= limitPerKey) throw queueFull(limitPerKey, 'a key', this.#retryAfter());
  }

  /**
   * @throws T2IError QUEUE_FULL as a Refusal with the time to wait; Refusal draining; the signal's reason where it is aborted already
   */
  add(order: RequestOrder): QueuedRequest {
    order.signal?.throwIfAborted();
    this.admit(order.key);
    const { clock } = this.#options;
    const queued = new QueuedRequest(order, clock);
    queued.accept();
    this.#waiting.push(queued);
    const forget = clock.after(order.timeout, () => queued.fail(tooLate(order.timeout)));
    queued.onSettled(() => {
      forget();
      if (this.#waiting.remove(queued)) this.#moved();
      if (this.#waiting.size === 0) this.#cutWindow();
    });
    this.#loop ??= this.#work();
    if (this.#imagesWaiting() >= this.#options.batchImages) this.#cutWindow();
    return queued;
  }

  position(queued: QueuedRequest): number {
    let position = 0;
    for (const each of this.#waiting.inOrder()) {
      if (each === queued) return position;
      position++;
    }
    return 0;
  }

  eta(queued: QueuedRequest): number | null {
    const before: QueuedRequest[] = [];
    if (queued.state === 'queued') {
      for (const each of this.#waiting.inOrder()) {
        if (each === queued) break;
        before.push(each);
      }
      before.push(queued);
    }
    return this.#timeOf(before);
  }

  /** Refuses what comes, and resolves when all that is here is done. */
  async drain(): Promise<void> {
    this.#draining = true;
    this.#cutWindow();
    await this.#loop;
  }

  /** Refuses what comes, and ends all that is here. */
  async close(): Promise<void> {
    this.#draining = true;
    const here = [...this.#waiting.inOrder(), ...(this.#running?.batch ?? [])];
    for (const each of here) each.fail(shuttingDown());
    this.#cutWindow();
    await this.#loop;
  }

  /** Seconds until there may be room. */
  #retryAfter(): number {
    const [next] = this.#waiting.inOrder();
    const wait = this.#timeOf(next ? [next] : []);
    return Math.max(SHORT_WAIT, Math.ceil((wait ?? 0) / 1000));
  }

  /** Milliseconds that what runs still takes, and then some others. */
  #timeOf(others: readonly QueuedRequest[]): number | null {
    const { estimate } = this;
    const running = this.#running;
    let sum = 0;
    for (const { model, request } of [...(running?.batch ?? []), ...others]) {
      const time = estimate.of(model, workOf(request));
      if (time === null) return null;
      sum += time;
    }
    const passed = running ? this.#options.clock.now() - running.since : 0;
    return Math.max(0, sum - passed);
  }

  async #work(): Promise<void> {
    await this.#window();
    for (;;) {
      const batch = this.#take();
      if (batch.length === 0) break;
      await this.#run(batch);
    }
    // At once, not when somebody sees that this has ended: who comes in between must start it again.
    this.#loop = null;
  }

  /** Waits for others like the first one, where nothing runs yet. */
  async #window(): Promise<void> {
    const { batchWindow, clock } = this.#options;
    if (batchWindow === 0) return;
    await new Promise<void>((resolve) => {
      const forget = clock.after(batchWindow, resolve);
      this.#cutWindow = () => {
        forget();
        resolve();
      };
    });
    this.#cutWindow = () => {};
  }

  /** The next request and those like it that wait, as many as are made together. */
  #take(): QueuedRequest[] {
    const first = this.#waiting.shift();
    if (first === undefined) return [];
    const batch = [first];
    let images = first.request.seeds.length;
    // What a crash ended is tried alone: it may have been the cause.
    if (first.tries > 0) return batch;
    for (const other of [...this.#waiting.inOrder()]) {
      if (other.likeness !== first.likeness || other.tries > 0) continue;
      if (images + other.request.seeds.length > this.#options.batchImages) continue;
      this.#waiting.remove(other);
      batch.push(other);
      images += other.request.seeds.length;
    }
    return batch;
  }

  async #run(batch: readonly QueuedRequest[]): Promise<void> {
    const { clock, run } = this.#options;
    const since = clock.now();
    this.#running = { batch, since };
    for (const each of batch) each.start();
    this.#moved();
    try {
      await run(batch);
      this.#learn(batch, clock.now() - since);
    } catch (error) {
      this.#recover(batch, error);
    } finally {
      this.#running = null;
    }
  }

  #learn(batch: readonly QueuedRequest[], milliseconds: number): void {
    const [first] = batch;
    if (first === undefined || batch.some(({ state }) => state !== 'completed')) return;
    const work = batch.reduce((sum, { request }) => sum + workOf(request), 0);
    this.estimate.learn(first.model, work, milliseconds);
  }

  /** Each is repeated once, and alone, where the process ended that drew it; everything else is its end. */
  #recover(batch: readonly QueuedRequest[], error: unknown): void {
    const crashed = T2IError.is(error) && (error.code === 'BACKEND_CRASHED' || error.code === 'DEVICE_LOST');
    for (const each of [...batch].reverse()) {
      if (each.settled) continue;
      if (!crashed || each.tries > 0) {
        each.fail(error);
        continue;
      }
      each.tries++;
      each.requeue();
      this.#waiting.unshift(each);
    }
  }

  #moved(): void {
    for (const call of this.#movers) call();
  }

  #imagesWaiting(): number {
    let images = 0;
    for (const { request } of this.#waiting.inOrder()) images += request.seeds.length;
    return images;
  }
}
