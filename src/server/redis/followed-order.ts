import { Refusal, refusal } from '../http/refusal.js';
import type { ServerLog } from '../log.js';
import type { QueuedRequest } from '../queue/queued-request.js';
import type { OrderListener } from './follower.js';
import { ForeignContent, type OrderEnd, type OrderEvent } from './order.js';
import type { OrderStore } from './order-store.js';
import { readRaster } from './pixels.js';

/** Tells a request here what becomes of its order there. */
export class FollowedOrder implements OrderListener {
  /** Steps that were told, by image. Who draws it again after a crash begins anew; the client goes on where it was. */
  readonly #steps = new Map<number, number>();
  readonly #images = new Set<number>();
  #isOver = false;

  constructor(
    private readonly id: string,
    private readonly queued: QueuedRequest,
    private readonly store: OrderStore,
    private readonly log: ServerLog,
  ) {}

  /** Whether it has ended there, so that nothing is left to be ended. */
  get isOver(): boolean {
    return this.#isOver;
  }

  async onEvent(event: OrderEvent): Promise<void> {
    try {
      await this.#tell(event);
    } catch (error) {
      if (!(error instanceof ForeignContent)) throw error;
      this.log.error({ order: this.id, err: error }, 'foreign content in Redis is left out');
      if (event.type === 'image') this.#end({ kind: 'failed', error: DAMAGED });
    }
  }

  async onOver(end: OrderEnd): Promise<void> {
    await this.onEvent({ type: 'start' });
    const images = end.kind === 'completed' ? this.queued.request.seeds : [];
    for (const [image] of images.entries()) await this.onEvent({ type: 'image', image });
    await this.onEvent({ type: 'end', end });
  }

  onLost(): void {
    const { queued } = this;
    this.#isOver = true;
    queued.fail(refusal('queue_unavailable', 'Redis has lost the request; send it again', { retryAfter: 1 }));
  }

  async #tell(event: OrderEvent): Promise<void> {
    const { queued } = this;
    const { seeds } = queued.request;
    switch (event.type) {
      case 'start':
        if (queued.state === 'queued') queued.start();
        return;
      case 'back':
        queued.requeue();
        return;
      case 'step': {
        const { image, step, steps, preview } = event;
        const seed = seeds[image];
        if (seed === undefined) throw new ForeignContent('A step in Redis is of no image of the request');
        if (step <= (this.#steps.get(image) ?? 0)) return;
        this.#steps.set(image, step);
        const raster = preview === undefined ? undefined : readRaster(Buffer.from(preview, 'latin1'));
        queued.step({ image, step, steps, seed, ...(raster && { preview: raster }) });
        return;
      }
      case 'image':
        return this.#image(event.image);
      case 'end':
        this.#end(event.end);
    }
  }

  async #image(index: number): Promise<void> {
    const seed = this.queued.request.seeds[index];
    if (seed === undefined) throw new ForeignContent('An image in Redis is none of the request');
    const image = await this.store.imageOf(this.id, index, seed);
    if (image === null) return this.#end({ kind: 'failed', error: GONE });
    this.#images.add(index);
    // The last image completes it, here and there.
    this.#isOver = this.#images.size === this.queued.request.seeds.length;
    this.queued.image(index, image);
  }

  #end(end: OrderEnd): void {
    const { queued } = this;
    this.#isOver = true;
    if (end.kind === 'failed') {
      const { status, code, message, ...rest } = end.error;
      queued.fail(new Refusal(status, code, message, rest));
    } else if (end.kind === 'cancelled') queued.cancel(refusal('cancelled', 'The job was cancelled'));
    // Where all images came it is completed, and stays so.
    else this.#end({ kind: 'failed', error: DAMAGED });
  }
}

const DAMAGED = { status: 500, code: 'internal', message: 'What was drawn cannot be read.' };
const GONE = { status: 410, code: 'gone', message: 'The images are not kept any more' };
