/**
 * The signals of a pipeline's callers. One signal may end many requests; it gets one listener for all of them, as Node warns of
 * more than ten.
 */
export class AbortSignals {
  readonly #requests = new Map<AbortSignal, { readonly aborts: Set<AbortController>; readonly listener: () => void }>();

  /** @throws the signal's reason where it is aborted already */
  link(outer: AbortSignal | undefined): LinkedAbort {
    outer?.throwIfAborted();
    const own = new AbortController();
    if (outer) this.#add(outer, own);
    return {
      signal: own.signal,
      abort: (reason) => own.abort(reason),
      release: () => {
        if (outer) this.#remove(outer, own);
      },
    };
  }

  #add(outer: AbortSignal, own: AbortController): void {
    let entry = this.#requests.get(outer);
    if (!entry) {
      const aborts = new Set<AbortController>();
      const listener = () => {
        this.#requests.delete(outer);
        for (const abort of aborts) abort.abort(outer.reason);
      };
      entry = { aborts, listener };
      this.#requests.set(outer, entry);
      outer.addEventListener('abort', listener, { once: true });
    }
    entry.aborts.add(own);
  }

  #remove(outer: AbortSignal, own: AbortController): void {
    const entry = this.#requests.get(outer);
    if (!entry?.aborts.delete(own) || entry.aborts.size > 0) return;
    this.#requests.delete(outer);
    outer.removeEventListener('abort', entry.listener);
  }
}

/** An abort of one request, which its caller's signal also sets off until it is released. */
export interface LinkedAbort {
  readonly signal: AbortSignal;
  abort(reason: unknown): void;
  release(): void;
}
