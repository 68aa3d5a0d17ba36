import type { OrderStore, QueueView } from './order-store.js';

const EMPTY: QueueView = { waiting: [], running: [], rates: new Map(), workers: 0 };

/** How the shared queue stood when it was last looked at; whoever hears that it moved looks again. */
export class SharedView {
  #view = EMPTY;
  #looking: Promise<void> | null = null;
  #again = false;
  readonly #movers = new Set<() => void>();

  constructor(private readonly store: Pick<OrderStore, 'look'>) {}

  get waiting(): number {
    return this.#view.waiting.length;
  }

  get running(): number {
    return this.#view.running.length;
  }

  /** Processes that draw. */
  get workers(): number {
    return this.#view.workers;
  }

  onMove(call: () => void): () => void {
    this.#movers.add(call);
    return () => void this.#movers.delete(call);
  }

  /** How many are before it; 0 for the next one, and for one that does not wait. */
  position(id: string | undefined): number {
    return Math.max(0, this.#place(id));
  }

  /** Milliseconds until it should be done, as if all models and all who draw were alike; null where nothing is known. */
  eta(id: string | undefined): number | null {
    const { waiting, running, rates, workers } = this.#view;
    let sum = 0;
    for (const { queue, work } of [...running, ...waiting.slice(0, this.#place(id) + 1)]) {
      const rate = rates.get(queue);
      if (rate === undefined) return null;
      sum += rate * work;
    }
    return workers === 0 ? null : sum / workers;
  }

  /** One look at a time; whoever asks during one gets another after it. */
  look(): Promise<void> {
    this.#again = true;
    this.#looking ??= this.#look().finally(() => {
      this.#looking = null;
    });
    return this.#looking;
  }

  async #look(): Promise<void> {
    while (this.#again) {
      this.#again = false;
      // Where Redis is away it stands as it stood.
      this.#view = await this.store.look().catch(() => this.#view);
      for (const call of this.#movers) call();
    }
  }

  #place(id: string | undefined): number {
    return this.#view.waiting.findIndex((each) => each.id === id);
  }
}
