import type { StreamEvent } from './events.js';

type Event = Exclude<StreamEvent, { type: 'done' }>;

/**
 * Steps and images on their way from a running job to a loop that may be slower. All arrive; of the previews of an image that wait
 * only the newest is kept, so that memory stays bounded.
 */
export class EventQueue {
  readonly #waiting: Event[] = [];
  #ended = false;
  #wake: () => void = () => {};

  push(event: Event): void {
    if (event.type === 'step' && event.preview) this.#dropWaitingPreview(event.image);
    this.#waiting.push(event);
    this.#wake();
  }

  end(): void {
    this.#ended = true;
    this.#wake();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Event> {
    for (;;) {
      const event = this.#waiting.shift();
      if (event) yield event;
      else if (this.#ended) return;
      else await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  #dropWaitingPreview(image: number): void {
    const index = this.#waiting.findLastIndex(
      (event) => event.type === 'step' && event.image === image && event.preview,
    );
    const stale = this.#waiting[index];
    if (stale?.type !== 'step') return;
    const { preview: _, ...event } = stale;
    this.#waiting[index] = event;
  }
}
