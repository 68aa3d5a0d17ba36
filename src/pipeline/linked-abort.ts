/** An abort of our own that a caller's signal also sets off, until it is released. */
export class LinkedAbort {
  readonly #own = new AbortController();
  readonly #outer: AbortSignal | undefined;
  readonly #forward = () => this.#own.abort(this.#outer?.reason);

  /** @throws the signal's reason where it is aborted already */
  constructor(outer: AbortSignal | undefined) {
    outer?.throwIfAborted();
    this.#outer = outer;
    // AbortSignal.any would leave an entry for each request in a signal that lives long.
    outer?.addEventListener('abort', this.#forward, { once: true });
  }

  get signal(): AbortSignal {
    return this.#own.signal;
  }

  abort(reason: unknown): void {
    this.#own.abort(reason);
  }

  release(): void {
    this.#outer?.removeEventListener('abort', this.#forward);
  }
}
