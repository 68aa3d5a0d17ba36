import { Counter, Gauge, Histogram, Registry } from 'prom-client';

/** From a cached answer to a large image on a processor, in seconds. */
const SECONDS = [0.005, 0.02, 0.1, 0.3, 1, 3, 10, 30, 100, 300];

/** What of the queue is measured when somebody looks. */
export interface QueueState {
  readonly length: number;
  readonly running: number;
}

/** Counters of one server, in a registry of its own: two servers in a process do not share them. */
export class ServerMetrics {
  readonly registry = new Registry();
  /** Requests by their end: completed, failed, cancelled, or refused before they waited. */
  readonly requests = this.#counter('t2i_requests_total', 'Requests for images by their end.', ['api', 'outcome']);
  readonly images = this.#counter('t2i_images_total', 'Images that were made.', ['model']);
  readonly aborts = this.#counter('t2i_aborts_total', 'Requests whose client left.', ['state']);
  readonly restarts = this.#counter(
    't2i_backend_restarts_total',
    'Ends of the process that runs a model, and losses of its GPU.',
    ['model'],
  );
  readonly orders = this.#counter(
    't2i_shared_orders_total',
    'Orders of the shared queue that came up here: taken, repeated after the end of another process, refused.',
    ['outcome'],
  );
  readonly batches = this.#histogram(
    't2i_batch_requests',
    'Requests that were carried out together.',
    [],
    [1, 2, 4, 8],
  );
  readonly phases = this.#histogram('t2i_phase_seconds', 'Time of a request by phase: queue, load, generate.', [
    'phase',
  ]);
  readonly http = this.#histogram('t2i_http_request_seconds', 'Time to the head of the answer.', [
    'method',
    'route',
    'status',
  ]);

  /** @param queue asked whenever the metrics are */
  constructor(queue: () => QueueState) {
    this.#gauge('t2i_queue_length', 'Requests that wait.', () => queue().length);
    this.#gauge('t2i_requests_running', 'Requests that are being carried out.', () => queue().running);
  }

  /** What of a shared queue is measured when somebody looks. */
  share(queue: { readonly workers: number; readonly isUp: boolean }): void {
    this.#gauge('t2i_shared_workers', 'Processes that draw for the shared queue.', () => queue.workers);
    this.#gauge('t2i_shared_up', 'Whether the shared queue can be reached.', () => Number(queue.isUp));
  }

  #counter<T extends string>(name: string, help: string, labelNames: readonly T[]): Counter<T> {
    return new Counter({ name, help, labelNames: [...labelNames], registers: [this.registry] });
  }

  #histogram<T extends string>(name: string, help: string, labelNames: readonly T[], buckets = SECONDS): Histogram<T> {
    return new Histogram({ name, help, labelNames: [...labelNames], buckets, registers: [this.registry] });
  }

  #gauge(name: string, help: string, read: () => number): void {
    new Gauge({
      name,
      help,
      registers: [this.registry],
      collect() {
        this.set(read());
      },
    });
  }
}
