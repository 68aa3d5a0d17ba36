import type { Clock } from './clock.js';
import { isCrash } from './crash.js';
import { Estimate, workOf } from './estimate.js';
import { FairQueue } from './fair-queue.js';
import { queueFull, shuttingDown, tooLate } from './queue-refusals.js';
import { type Batch, QueuedRequest, type RequestOrder } from './queued-request.js';
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
  /**
   * Settles each of some requests that are alike, sooner or later; what it throws ends those that are not settled. It says when their
   * model is open: what that took is no part of what requests take.
   */
  run(batch: Batch, onOpen: () => void): Promise<void>;
}

/** Requests that wait for the one device, and the ones that have it. */
export class RequestQueue implements ServerQueue {
  readonly estimate = new Estimate();
  readonly #options: QueueOptions;
  readonly #waiting = new FairQueue<QueuedRequest>();
  #running: { readonly batch: Batch; since: number } | null = null;
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
    // There may be room when the first that waits is started, or the first of the key.
    if (this.#waiting.size >= limit) throw queueFull(limit, 'all', this.#timeOf([]));
    if (this.#waiting.sizeOf(key) >= limitPerKey) {
      const before = this.#before((each) => each.key === key);
      throw queueFull(limitPerKey, 'a key', this.#timeOf(before));
    }
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
    return this.#before((each) => each === queued).length;
  }

  eta(queued: QueuedRequest): number | null {
    if (queued.settled) return 0;
    if (queued.state === 'generating') return this.#timeOf([]);
    return this.#timeOf([...this.#before((each) => each === queued), queued]);
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

  /** What waits before the first that fits; nothing where none fits. */
  #before(fits: (each: QueuedRequest) => boolean): readonly QueuedRequest[] {
    const waiting = [...this.#waiting.inOrder()];
    return waiting.slice(0, Math.max(0, waiting.findIndex(fits)));
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
      if (batch === null) break;
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

  /** The next request and those like it that wait, as many as are made together; null where none waits. */
  #take(): Batch | null {
    const first = this.#waiting.shift();
    if (first === undefined) return null;
    const batch: [QueuedRequest, ...QueuedRequest[]] = [first];
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

  async #run(batch: Batch): Promise<void> {
    const { clock, run } = this.#options;
    const running = { batch, since: clock.now() };
    this.#running = running;
    for (const each of batch) each.start();
    this.#moved();
    try {
      await run(batch, () => {
        running.since = clock.now();
      });
      this.#learn(batch, clock.now() - running.since);
    } catch (error) {
      this.#recover(batch, error);
    } finally {
      this.#running = null;
    }
  }

  #learn(batch: Batch, milliseconds: number): void {
    if (batch.some(({ state }) => state !== 'completed')) return;
    const [{ model }] = batch;
    const work = batch.reduce((sum, { request }) => sum + workOf(request), 0);
    this.estimate.learn(model, work, milliseconds);
  }

  /** Each is repeated once, and alone, after a crash; everything else is its end. */
  #recover(batch: Batch, error: unknown): void {
    for (const each of [...batch].reverse()) {
      if (each.settled) continue;
      if (!isCrash(error) || each.tries > 0) {
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
