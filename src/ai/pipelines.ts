import type { LoadOptions } from '../options.js';
import type { Pipeline } from '../pipeline.js';

/** How the models of a provider are loaded; `model` is the id that is asked for. */
export type LocalLoadOptions = Omit<LoadOptions, 'model' | 'signal'>;

/** The pipelines of one provider, each loaded on first use and shared by all calls for its model. */
export class Pipelines {
  readonly #open = new Map<string, Promise<Pipeline>>();

  constructor(private readonly options: LocalLoadOptions) {}

  /**
   * @param signal of one call: it ends the wait, not the load, which others may wait for too
   * @throws T2IError as `Pipeline.load`; the signal's reason when aborted
   */
  async of(model: string, signal: AbortSignal | undefined): Promise<Pipeline> {
    const loading = this.#open.get(model) ?? this.#load(model);
    if (signal === undefined) return loading;
    signal.throwIfAborted();
    let stop = () => {};
    const aborted = new Promise<never>((_, reject) => {
      stop = () => reject(signal.reason);
      signal.addEventListener('abort', stop, { once: true });
    });
    try {
      return await Promise.race([loading, aborted]);
    } finally {
      signal.removeEventListener('abort', stop);
    }
  }

  /** Closes every model, also those that are being loaded; one that is asked for afterwards is loaded again. */
  async close(): Promise<void> {
    const open = [...this.#open.values()];
    this.#open.clear();
    await Promise.all(open.map(async (loading) => (await loading.catch(() => null))?.close()));
  }

  #load(model: string): Promise<Pipeline> {
    const loading = load(model, this.options);
    this.#open.set(model, loading);
    // The next call tries again.
    loading.catch(() => this.#open.get(model) === loading && this.#open.delete(model));
    return loading;
  }
}

/** What runs models is loaded here alone: a provider of a server does without. */
async function load(model: string, options: LocalLoadOptions): Promise<Pipeline> {
  await import('../unbundled.js');
  const { Pipeline } = await import('../pipeline.js');
  return Pipeline.load({ ...options, model });
}
