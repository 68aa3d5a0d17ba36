/** Events on their way from one that tells them to a loop that may be slower; all arrive, then the end or the error. */
export class Channel<T> implements AsyncIterable<T> {
  readonly #waiting: T[] = [];
  #end: { readonly error: unknown } | 'done' | null = null;
  #wake: () => void = () => {};

  push(event: T): void {
    this.#waiting.push(event);
    this.#wake();
  }

  close(): void {
    this.#end ??= 'done';
    this.#wake();
  }

  fail(error: unknown): void {
    this.#end ??= { error };
    this.#wake();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T> {
    for (;;) {
      const [event] = this.#waiting.splice(0, 1);
      if (event !== undefined) yield event;
      else if (this.#end === 'done') return;
      else if (this.#end !== null) throw this.#end.error;
      else await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }
}
