import type { Worker } from 'bullmq';
import type { ServerLog } from '../log.js';
import type { Clock } from '../queue/clock.js';

interface Lock {
  readonly bull: Worker;
  readonly token: string;
  readonly onLost: () => void;
}

/** Renews the locks of the orders that this process has. */
export class LockKeeper {
  readonly #locks = new Map<string, Lock>();
  #forget: () => void = () => {};

  constructor(
    private readonly clock: Clock,
    private readonly log: ServerLog,
    /** Milliseconds. */
    private readonly lock: number,
  ) {
    this.#tick();
  }

  /** Keeps a lock until what it returns is called. `onLost` is called where another has the order. */
  keep(id: string, lock: Lock): () => void {
    this.#locks.set(id, lock);
    return () => void (this.#locks.get(id) === lock && this.#locks.delete(id));
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

  async #renew(): Promise<void> {
    for (const [id, { bull, token, onLost }] of [...this.#locks]) {
      // Where Redis is away nothing is known: it says whose the order is when it is back.
      const lost = await bull.extendJobLocks([id], [token], this.lock).catch(() => []);
      if (lost.length === 0 || this.#locks.get(id)?.token !== token) continue;
      this.log.warn({ order: id }, 'another process has taken the order over');
      onLost();
    }
  }
}
