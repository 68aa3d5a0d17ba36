import type { StepProgress } from './events.js';

/**
 * Step events on their way from a running job to a loop that may be slower. Every step arrives; of the previews that wait only
 * the newest is kept, so that memory stays bounded.
 */
export class EventQueue {
  readonly #waiting: StepProgress[] = [];
  #ended = false;
  #wake: () => void = () => {};

  push(event: StepProgress): void {
    if (event.preview) this.#dropWaitingPreview(event.image);
    this.#waiting.push(event);
    this.#wake();
  }

  end(): void {
    this.#ended = true;
    this.#wake();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<StepProgress> {
    for (;;) {
      const event = this.#waiting.shift();
      if (event) yield event;
      else if (this.#ended) return;
      else await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  #dropWaitingPreview(image: number): void {
    const index = this.#waiting.findLastIndex((event) => event.image === image && event.preview);
    const stale = this.#waiting[index];
    if (!stale) return;
    const { preview: _, ...event } = stale;
    this.#waiting[index] = event;
  }
}
