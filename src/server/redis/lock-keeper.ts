import type { Worker } from 'bullmq';
import type { Clock } from '../queue/clock.js';

interface Lock {
  readonly bull: Worker;
  readonly id: string;
  readonly token: string;
}

/**
 * Renews the locks of the orders that this process has. That one was lost needs no word here: whoever has the order then owns it by its
 * token, and what is told with another one is refused.
 */
export class LockKeeper {
  readonly #locks = new Set<Lock>();
  #forget: () => void = () => {};
  #renewing = false;

  constructor(
    private readonly clock: Clock,
    /** Milliseconds. */
    private readonly lock: number,
  ) {
    this.#tick();
  }

  /** Keeps a lock until what it returns is called. */
  keep(bull: Worker, id: string, token: string): () => void {
    const lock = { bull, id, token };
    this.#locks.add(lock);
    return () => void this.#locks.delete(lock);
  }

  close(): void {
    this.#forget();
    this.#locks.clear();
  }

  #tick(): void {
    this.#forget = this.clock.after(this.lock / 3, () => {
      void this.#renew();
      this.#tick();
    });
  }

  /** Where Redis is away it waits, and the next ones with it. */
  async #renew(): Promise<void> {
    if (this.#renewing) return;
    this.#renewing = true;
    for (const { bull, id, token } of [...this.#locks])
      await bull.extendJobLocks([id], [token], this.lock).catch(() => {});
    this.#renewing = false;
  }
}
