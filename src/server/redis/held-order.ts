import type { Job } from 'bullmq';
import { refusal, refusalOf } from '../http/refusal.js';
import type { ServerLog } from '../log.js';
import type { RequestQueue } from '../queue/request-queue.js';
import { failed, type OrderEnd, type SharedOrder } from './order.js';
import type { OrderStore, Taken, Word } from './order-store.js';

/** Why the drawing of an order ends here, and nothing is told of it. */
class LostOrder extends Error {
  override readonly name = 'LostOrder';
}

/** An order that came up; until it is taken it can be put back as if nothing had happened. */
export interface Fetched {
  readonly job: Job;
  readonly token: string;
  /** Renews its lock no more. */
  readonly letGo: () => void;
}

export interface HeldParts {
  readonly store: OrderStore;
  readonly log: ServerLog;
  readonly queue: RequestQueue;
}

/** An order that this process draws, and what it tells of it; all is refused where another has taken it over. */
export class HeldOrder {
  readonly #abort = new AbortController();
  readonly #told: Promise<unknown>[] = [];

  constructor(
    private readonly parts: HeldParts,
    private readonly fetched: Fetched,
    readonly order: SharedOrder,
    private readonly taken: Taken,
  ) {}

  get id(): string {
    return this.fetched.job.id as string;
  }

  /** Images that are still to be drawn. */
  get images(): number {
    return this.order.request.seeds.length - this.taken.drawn.length;
  }

  /** Whether another process drew it before, and ended. */
  get isRepeated(): boolean {
    return this.taken.takes > 0;
  }

  /** Draws what of it is not there yet, in the turn of this process's queue; resolves when it is told how that ended. */
  async draw(): Promise<void> {
    try {
      await this.#conclude(await this.#drawn());
    } finally {
      this.fetched.letGo();
    }
  }

  /** Puts it into this process's queue at once. Returns why it was not drawn; null where it was. */
  async #drawn(): Promise<unknown> {
    const { key, model, api, request } = this.order;
    const { store, queue } = this.parts;
    const { token } = this.fetched;
    const missing = request.seeds.map((_, index) => index).filter((index) => !this.taken.drawn.includes(index));
    if (missing.length === 0) return null;
    try {
      const queued = queue.add({
        ...{ key, model, api, timeout: this.taken.left, signal: this.#abort.signal },
        request: { ...request, seeds: missing.map((index) => request.seeds[index] as number) },
        onStep: ({ image, ...event }) => {
          this.#tell(store.step(this.id, token, { ...event, image: missing[image] as number }));
        },
        onImage: (image, drawn) => {
          this.#tell(store.image(this.id, token, missing[image] as number, drawn));
        },
      });
      await queued.result;
      return null;
    } catch (error) {
      return error ?? new Error('No reason');
    }
  }

  #tell(told: Promise<Word>): void {
    const heard = told.then((word) => {
      if (word === 'lost')
        this.#abort.abort(new LostOrder('Another process has taken the order over, or Redis has lost it'));
      if (word === 'cancelled') this.#abort.abort(refusal('cancelled', 'The request was cancelled'));
    });
    // What cannot be told makes the end fail, below.
    heard.catch(() => {});
    this.#told.push(heard);
  }

  async #conclude(problem: unknown): Promise<void> {
    const { log } = this.parts;
    await Promise.all(this.#told);
    if (problem === null) return this.#finish({ kind: 'completed' });
    if (problem instanceof LostOrder)
      return log.warn({ order: this.id }, 'another process has taken the order over, or Redis has lost it');
    const refused = refusalOf(problem);
    if (refused.code === 'draining') return this.#giveBack();
    if (refused.status >= 500 && refused.cause !== undefined) {
      log.error({ order: this.id, model: this.order.model, err: refused.cause }, 'failed');
    }
    await this.#finish(refused.code === 'cancelled' ? { kind: 'cancelled' } : failed(refused));
  }

  async #finish(end: OrderEnd): Promise<void> {
    const { job, token } = this.fetched;
    await this.parts.store.finish(this.id, token, end);
    // Where the lock was lost, whoever has it does this.
    await job.moveToCompleted(null, token, false).catch(() => {});
  }

  async #giveBack(): Promise<void> {
    const { job, token } = this.fetched;
    if (await this.parts.store.giveBack(this.id, token)) await job.moveToWait(token).catch(() => {});
  }
}
