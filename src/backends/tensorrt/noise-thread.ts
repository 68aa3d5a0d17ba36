import { Worker } from 'node:worker_threads';
import { builtEntry } from '../../built-entry.js';
import { drawNoise, type NoiseOrder } from './shared-noise.js';

/** Whoever draws the noise of a session's jobs. */
export interface NoiseDrawer {
  /** Begins with an order once those before are done. */
  draw(order: NoiseOrder): void;
  close(): void;
}

/** A thread, and what it was told to draw and has not. */
interface Running {
  readonly worker: Worker;
  readonly orders: NoiseOrder[];
  ended: boolean;
}

const FORGOTTEN = new FinalizationRegistry<Worker>((worker) => void worker.terminate());

/** A thread that draws noise, so that no step on the GPU waits for JavaScript's own. It does not keep the process alive. */
export class NoiseThread implements NoiseDrawer {
  readonly #entry: string;
  #running: Running;

  /** @param entry path of the thread's module; this package's own by default */
  constructor(entry = builtEntry(import.meta.url, 'noise-child.js')) {
    this.#entry = entry;
    this.#running = this.#start();
  }

  draw(order: NoiseOrder): void {
    if (this.#running.ended) this.#running = this.#start();
    this.#running.orders.push(order);
    this.#running.worker.postMessage(order);
  }

  close(): void {
    FORGOTTEN.unregister(this);
    this.#running.orders.length = 0;
    void this.#running.worker.terminate();
  }

  #start(): Running {
    const running = start(this.#entry);
    FORGOTTEN.unregister(this);
    FORGOTTEN.register(this, running.worker, this);
    return running;
  }
}

function start(entry: string): Running {
  const worker = new Worker(entry, { execArgv: [] });
  const running: Running = { worker, orders: [], ended: false };
  worker.on('message', () => running.orders.shift());
  // Followed by its end. What it did not draw is drawn here: in a folder that was deleted, say, no thread can be started.
  worker.on('error', () => {});
  worker.on('exit', () => {
    running.ended = true;
    for (const order of running.orders.splice(0)) drawNoise(order);
  });
  worker.unref();
  return running;
}
