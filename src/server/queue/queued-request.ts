import type { GeneratedImage } from '../../image/generated-image.js';
import type { Request } from '../../options.js';
import type { StepProgress } from '../../pipeline/events.js';
import type { SharedJobFacts } from '../redis/order.js';
import type { Clock } from './clock.js';
import { likenessOf } from './likeness.js';

export type RequestState = 'queued' | 'generating' | 'completed' | 'failed' | 'cancelled';

/** Who hears of a request while it is carried out; indices count its own images. */
export interface RequestListeners {
  readonly onStart?: (() => void) | undefined;
  readonly onStep?: ((event: StepProgress) => void) | undefined;
  readonly onImage?: ((index: number, image: GeneratedImage) => void) | undefined;
}

/** A request that can be asked after, at every server that shares the queue, and outlives the one that took it. */
export interface JobOrder {
  readonly id: string;
  /** Milliseconds that it can be asked after its end. */
  readonly kept: number;
  readonly facts: SharedJobFacts;
  /** Hashes of who repeats what, and of the body that came with it. */
  readonly repeat?: { readonly place: string; readonly body: string } | undefined;
}

/** What is asked of the queue. */
export interface RequestOrder extends RequestListeners {
  /** Whose turn it takes. */
  readonly key: string;
  /** Id of the model. */
  readonly model: string;
  readonly request: Request;
  /** API that it came by, for the receipts. */
  readonly api: string;
  /** Ends it with its reason, within one step. */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds after which nobody wants it any more. */
  readonly timeout: number;
  readonly job?: JobOrder | undefined;
}

/** Requests that are carried out together: alike, and one at least. */
export type Batch = readonly [QueuedRequest, ...QueuedRequest[]];

/** A request from its acceptance to its end. The first to settle it wins. */
export class QueuedRequest {
  readonly key: string;
  readonly model: string;
  readonly request: Request;
  readonly api: string;
  /** Requests of the same text are carried out together. */
  readonly likeness: string;
  /** Resolves when the queue has taken it, and rejects where it ends before. */
  readonly accepted: Promise<void>;
  /** One for each seed. */
  readonly result: Promise<readonly GeneratedImage[]>;
  /** A try that a crash ended is repeated once. */
  tries = 0;
  #state: RequestState = 'queued';
  readonly #images: GeneratedImage[] = [];
  readonly #listeners: RequestListeners;
  readonly #started: ((waited: number) => void)[] = [];
  readonly #settled: ((spent: number) => void)[] = [];
  readonly #acceptedAt: number;
  #startedAt: number | null = null;
  #wasRefused = false;
  #accept!: { resolve(): void; reject(reason: unknown): void };
  #settle!: { resolve(images: readonly GeneratedImage[]): void; reject(reason: unknown): void };

  constructor(
    { key, model, request, api, signal, ...listeners }: RequestOrder,
    private readonly clock: Pick<Clock, 'now'>,
  ) {
    this.#acceptedAt = clock.now();
    this.key = key;
    this.model = model;
    this.request = request;
    this.api = api;
    this.likeness = JSON.stringify([model, likenessOf(request)]);
    this.#listeners = listeners;
    this.accepted = new Promise((resolve, reject) => {
      this.#accept = { resolve, reject };
    });
    this.result = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    // Whoever asked awaits them; that they fail before must not count as unhandled.
    this.accepted.catch(() => {});
    this.result.catch(() => {});
    if (signal !== undefined) {
      const leave = () => this.cancel(signal.reason);
      signal.addEventListener('abort', leave);
      this.onSettled(() => signal.removeEventListener('abort', leave));
    }
  }

  get state(): RequestState {
    return this.#state;
  }

  get settled(): boolean {
    return this.#state !== 'queued' && this.#state !== 'generating';
  }

  /** Whether the queue did not take it. */
  get wasRefused(): boolean {
    return this.#wasRefused;
  }

  /** Called at the first start, with the milliseconds that it waited. */
  onStarted(call: (waited: number) => void): void {
    this.#started.push(call);
  }

  /** Called once, at the end, whatever it is, with the milliseconds since the start; 0 where it never started. */
  onSettled(call: (spent: number) => void): void {
    this.#settled.push(call);
  }

  /** The queue has taken it. */
  accept(): void {
    this.#accept.resolve();
  }

  /** The queue does not take it. */
  refuse(reason: unknown): void {
    this.#wasRefused = !this.settled;
    this.fail(reason);
  }

  start(): void {
    if (this.settled) return;
    this.#state = 'generating';
    if (this.#startedAt === null) {
      this.#startedAt = this.clock.now();
      for (const call of this.#started) call(this.#startedAt - this.#acceptedAt);
    }
    this.#tell(() => this.#listeners.onStart?.());
  }

  /** A crash ended the try; it waits again. */
  requeue(): void {
    if (!this.settled) this.#state = 'queued';
  }

  step(event: StepProgress): void {
    if (!this.settled) this.#tell(() => this.#listeners.onStep?.(event));
  }

  /** The last image completes the request; one that was told before is the same image again. */
  image(index: number, image: GeneratedImage): void {
    if (this.settled || this.#images[index] !== undefined) return;
    this.#images[index] = image;
    this.#tell(() => this.#listeners.onImage?.(index, image));
    if (Object.keys(this.#images).length === this.request.seeds.length) {
      this.#end('completed', () => this.#settle.resolve(this.#images));
    }
  }

  fail(reason: unknown): void {
    this.#end('failed', () => this.#reject(reason));
  }

  cancel(reason: unknown): void {
    this.#end('cancelled', () => this.#reject(reason));
  }

  #reject(reason: unknown): void {
    this.#accept.reject(reason);
    this.#settle.reject(reason);
  }

  /** What a listener throws ends its own request, and no other of its batch. */
  #tell(call: () => void): void {
    try {
      call();
    } catch (error) {
      this.fail(error);
    }
  }

  #end(state: RequestState, settle: () => void): void {
    if (this.settled) return;
    this.#state = state;
    settle();
    const spent = this.#startedAt === null ? 0 : this.clock.now() - this.#startedAt;
    for (const call of this.#settled) call(spent);
  }
}
