import { type Field, fieldIssues, refuse } from '../../fields.js';

/** What takes nothing more and finishes what it has, or ends it. */
interface Ends {
  drain(): Promise<void>;
  close(): Promise<void>;
}

/** The longest time that a timer takes, in milliseconds; a longer one is over at once. */
const LONGEST_TIMER = 2 ** 31 - 1;

/** Taken for none, as a timer takes it, another value would end at once what is to be finished. */
const TIMEOUT: Field = {
  expected: 'milliseconds, 0 or more',
  accepts: (value) => typeof value === 'number' && value >= 0,
};

/** The parts of a process that serves or draws, and the order in which they end. */
export class Running {
  #closed: Promise<void> | null = null;

  constructor(
    private readonly queue: Ends | null,
    private readonly worker: Ends | null,
    private readonly pool: { close(): Promise<void> },
  ) {}

  /**
   * Refuses what comes, and resolves when what is here is done; after so many milliseconds it is ended.
   *
   * @returns whether all was done
   * @throws T2IError OPTION_INVALID
   */
  async drain(timeout: number): Promise<boolean> {
    refuse(fieldIssues('timeout', timeout, TIMEOUT));
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<false>((resolve) => {
      timer = setTimeout(() => resolve(false), Math.min(timeout, LONGEST_TIMER));
    });
    const done = await Promise.race([this.#drained().then(() => true), late]);
    clearTimeout(timer);
    if (!done) await this.#end();
    return done;
  }

  close(): Promise<void> {
    this.#closed ??= this.#end().then(() => this.pool.close());
    return this.#closed;
  }

  /** The worker draws to the end what the clients of this server wait for: there may be no other. */
  async #drained(): Promise<void> {
    await this.queue?.drain();
    await this.worker?.drain();
  }

  async #end(): Promise<void> {
    await this.queue?.close();
    await this.worker?.close();
  }
}
