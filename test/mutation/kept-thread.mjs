import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';

const ENTRY = fileURLToPath(new URL('thread.mjs', import.meta.url));

/**
 * A pool of vitest whose thread stays from one run to the next, with all modules loaded. Vitest's own starts a thread a run, which costs
 * far more than the few tests that a mutant needs.
 */
export class KeptThread {
  name = 'kept-thread';
  /** How many threads were started, and how many runs were in them. */
  started = 0;
  runs = 0;
  /** @type {Worker | undefined} */
  #thread;

  /** What vitest calls for each run. @param {{ env: object, execArgv: string[] }} options */
  createPoolWorker = ({ env, execArgv }) => {
    const thread = () => {
      if (this.#thread) return this.#thread;
      this.started++;
      const next = new Worker(ENTRY, { env, execArgv });
      next.unref();
      next.once('exit', () => {
        if (this.#thread === next) this.#thread = undefined;
      });
      this.#thread = next;
      return next;
    };
    let own;
    const listeners = [];
    return {
      name: this.name,
      start: async () => {
        this.runs++;
        own = thread();
      },
      send: (message) => own.postMessage(message),
      on: (event, listener) => {
        listeners.push([event, listener]);
        own.on(event, listener);
      },
      off: (event, listener) => own.off(event, listener),
      stop: async () => {
        for (const [event, listener] of listeners) own.off(event, listener);
      },
      deserialize: (data) => data,
    };
  };

  /** The next run gets a new thread. */
  async end() {
    const thread = this.#thread;
    this.#thread = undefined;
    await thread?.terminate();
  }
}
