import { T2IError } from '../../errors.js';
import type { Pipeline } from '../../pipeline.js';
import type { ServedModel } from './served-model.js';

interface Open {
  readonly model: ServedModel;
  readonly pipeline: Promise<Pipeline>;
  /** Null while it is being opened. */
  backend: string | null;
  users: number;
}

export interface PoolOptions {
  /** Bytes that open models may take together; null for no limit. */
  readonly memory: number | null;
  /** Told when a model is opened, with the milliseconds that took, and when one is closed. */
  readonly onOpen?: (id: string, milliseconds: number) => void;
  readonly onClose?: (id: string) => void;
}

/** Open models: each is opened when it is first needed, and the one least recently used is closed where memory is short. */
export class ModelPool {
  /** The least recently used first. */
  readonly #open = new Map<string, Open>();
  readonly #closing = new AbortController();
  readonly #options: PoolOptions;

  /** @throws T2IError OPTION_INVALID where a model does not fit by itself */
  constructor(models: readonly ServedModel[], options: PoolOptions) {
    const { memory } = options;
    for (const { id, bytes } of models) {
      if (memory === null || bytes <= memory) continue;
      const expected = `at least ${bytes}, the bytes that ${id} should take`;
      throw new T2IError('OPTION_INVALID', `memory: expected ${expected}, received ${memory}`, {
        issues: [{ option: 'memory', expected, received: String(memory) }],
      });
    }
    this.#options = options;
  }

  /** The models that are open, by their ids, with the backend that runs each; null for one that is being opened. */
  get backends(): ReadonlyMap<string, string | null> {
    return new Map([...this.#open].map(([id, { backend }]) => [id, backend]));
  }

  /**
   * Runs `work` with the model open. A pipeline that cannot go on is closed afterwards, and the next use opens a new one.
   *
   * @throws T2IError as `Pipeline.load`; what `work` throws
   */
  async use<T>(model: ServedModel, work: (pipeline: Pipeline) => Promise<T>): Promise<T> {
    const entry = await this.#enter(model);
    try {
      return await work(await entry.pipeline);
    } catch (error) {
      if (isOver(error)) await this.#remove(entry);
      throw error;
    } finally {
      entry.users--;
    }
  }

  /** Closes every model, and ends the opening of those that are being opened. */
  async close(): Promise<void> {
    this.#closing.abort(new T2IError('CLOSED', 'The server is shutting down'));
    await Promise.all([...this.#open.values()].map((entry) => this.#remove(entry)));
  }

  /** Counts a user of the model, opened where it is not. */
  async #enter(model: ServedModel): Promise<Open> {
    if (!this.#open.has(model.id)) await this.#makeRoom(model.bytes);
    this.#closing.signal.throwIfAborted();
    const entry = this.#open.get(model.id) ?? this.#start(model);
    // Last in the order is used last.
    this.#open.delete(model.id);
    this.#open.set(model.id, entry);
    entry.users++;
    return entry;
  }

  #start(model: ServedModel): Open {
    const start = performance.now();
    const pipeline = model.open(this.#closing.signal);
    const entry: Open = { model, pipeline, backend: null, users: 0 };
    pipeline.then(
      ({ backend }) => {
        entry.backend = backend.name;
        this.#options.onOpen?.(model.id, performance.now() - start);
      },
      // One that cannot be opened is tried again by the next request.
      () => this.#open.delete(model.id),
    );
    return entry;
  }

  async #makeRoom(bytes: number): Promise<void> {
    const { memory } = this.#options;
    if (memory === null) return;
    for (const entry of [...this.#open.values()]) {
      const used = [...this.#open.values()].reduce((sum, { model }) => sum + model.bytes, 0);
      if (used + bytes <= memory) return;
      if (entry.users === 0) await this.#remove(entry);
    }
  }

  async #remove(entry: Open): Promise<void> {
    const { id, closes } = entry.model;
    if (this.#open.get(id) === entry) this.#open.delete(id);
    const pipeline = await entry.pipeline.catch(() => null);
    if (pipeline === null || !closes) return;
    await pipeline.close();
    this.#options.onClose?.(id);
  }
}

function isOver(error: unknown): boolean {
  return T2IError.is(error) && (error.code === 'DEVICE_LOST' || error.code === 'CLOSED');
}
