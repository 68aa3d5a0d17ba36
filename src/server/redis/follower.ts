import type { Redis } from 'ioredis';
import type { ServerLog } from '../log.js';
import type { Clock } from '../queue/clock.js';
import type { OrderEnd, OrderEvent } from './order.js';
import { channelOf, MOVED, type OrderStore } from './order-store.js';

/** Who hears what becomes of an order. */
export interface OrderListener {
  /** One at a time, in order; the next waits for what it returns. */
  onEvent(event: OrderEvent): void | Promise<void>;
  /** It has ended, and its events are not kept any more. */
  onOver(end: OrderEnd): Promise<void>;
  /** There is no such order any more: Redis has lost it. */
  onLost(): void;
}

interface Followed {
  readonly listener: OrderListener;
  /** Id of the last event that was told. */
  last: string;
  reading: boolean;
  again: boolean;
}

/** Milliseconds between two looks at everything, for what no message told. */
const LOOKS = 5000;

/**
 * Follows orders: a message says that there is something to read, and the streams have it. Messages that were missed while the
 * connection was broken are made up for by reading everything when it is back.
 */
export class Follower {
  readonly #followed = new Map<string, Followed>();
  #forget: () => void;

  /** @param subscriber a connection of its own: one that subscribes can do nothing else */
  constructor(
    private readonly store: OrderStore,
    private readonly subscriber: Redis,
    private readonly clock: Clock,
    private readonly log: ServerLog,
    private readonly onMoved: () => void,
  ) {
    subscriber.on('message', (channel: string) => {
      if (channel === MOVED) this.onMoved();
      else this.#readChannel(channel);
    });
    subscriber.on('ready', () => this.catchUp());
    this.#forget = () => {};
  }

  async open(): Promise<void> {
    await this.subscriber.subscribe(MOVED);
    this.#tick();
  }

  /** Tells a listener everything of an order from its beginning, until `unfollow`. */
  async follow(id: string, listener: OrderListener): Promise<void> {
    const followed = { listener, last: '0', reading: false, again: false };
    this.#followed.set(id, followed);
    // Where this fails the connection is broken, and all is read when it is back.
    await this.subscriber.subscribe(channelOf(id)).catch(() => {});
    await this.#lookAt(id, followed).catch(() => {});
  }

  unfollow(id: string): void {
    if (this.#followed.delete(id)) this.subscriber.unsubscribe(channelOf(id)).catch(() => {});
  }

  close(): void {
    this.#forget();
    this.#followed.clear();
    this.subscriber.disconnect();
  }

  #tick(): void {
    this.#forget = this.clock.after(LOOKS, () => {
      this.catchUp();
      this.#tick();
    });
  }

  /** Looks at everything; where Redis is away that changes nothing. */
  catchUp(): void {
    this.onMoved();
    for (const [id, followed] of this.#followed) this.#lookAt(id, followed).catch(() => {});
  }

  #readChannel(channel: string): void {
    const id = channel.slice(channelOf('').length);
    const followed = this.#followed.get(id);
    if (followed !== undefined) void this.#read(id, followed);
  }

  async #lookAt(id: string, followed: Followed): Promise<void> {
    const end = await this.store.endOf(id);
    await this.#read(id, followed);
    if (this.#followed.get(id) !== followed || end === null) return;
    if (end === 'lost') followed.listener.onLost();
    else await followed.listener.onOver(end);
  }

  /** Reads to the end; who is told while it reads reads once more. */
  async #read(id: string, followed: Followed): Promise<void> {
    followed.again = true;
    if (followed.reading) return;
    followed.reading = true;
    try {
      while (followed.again) {
        followed.again = false;
        await this.#readOn(id, followed);
      }
    } catch {
      // Redis is away: all is read again when it is back.
    } finally {
      followed.reading = false;
    }
  }

  async #readOn(id: string, followed: Followed): Promise<void> {
    for (;;) {
      const events = await this.store.events(id, followed.last);
      if (events.length === 0) return;
      for (const { at, event } of events) {
        if (this.#followed.get(id) !== followed) return;
        if (event instanceof Error) this.log.error({ order: id, err: event }, 'foreign content in Redis is left out');
        else await followed.listener.onEvent(event);
        followed.last = at;
      }
    }
  }
}
