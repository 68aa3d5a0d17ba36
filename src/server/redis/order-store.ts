import type { Redis } from 'ioredis';
import type { Raster } from '../../backends/backend.js';
import type { GeneratedImage } from '../../image/generated-image.js';
import { serializeReceipt } from '../../image/receipt.js';
import { BULL_PREFIX } from './bull.js';
import {
  type OrderEnd,
  type OrderEvent,
  readEnd,
  readEvent,
  readOrder,
  type SharedOrder,
  writeOrder,
} from './order.js';
import { readImage, writeRaster } from './pixels.js';
import { SCRIPTS, type ScriptName } from './scripts.js';

/** What all keys begin with. */
export const PREFIX = 't2i:';
/** Most bytes of the previews of an order; later ones are left out. */
const PREVIEW_BYTES = 16 << 20;
/** Events that are read at once: each may hold a preview. */
const EVENTS_AT_ONCE = 16;

export type Accepted =
  | { readonly kind: 'accepted'; readonly round: number }
  | { readonly kind: 'full' | 'full of key' }
  | { readonly kind: 'repeated'; readonly id: string; readonly body: string };

export interface Acceptance {
  readonly id: string;
  readonly order: SharedOrder;
  /** As `queueName`. */
  readonly queue: string;
  readonly work: number;
  /** Milliseconds. */
  readonly timeout: number;
  /** Milliseconds that it can be asked after its end. */
  readonly kept: number;
  readonly limit: number;
  readonly limitPerKey: number;
  /** Hashes of who repeats what, and of its body. */
  readonly repeat?: { readonly place: string; readonly body: string } | undefined;
}

export interface Taken {
  /** As it was written; not to be trusted. */
  readonly text: string;
  /** Milliseconds until nobody wants it any more. */
  readonly left: number;
  /** How often it was taken before. */
  readonly takes: number;
  readonly cancelled: boolean;
  /** Indices of the images that are there. */
  readonly drawn: readonly number[];
}

/** What a worker learns when it tells something: that it goes on, is to stop, or has lost the order to another. */
export type Word = 'on' | 'cancelled' | 'lost';

export interface FoundOrder {
  readonly order: SharedOrder;
  /** Null while it goes on. */
  readonly end: OrderEnd | null;
  /** How often it was taken. */
  readonly takes: number;
  /** Its turn among those of its key. */
  readonly round: number;
  /** Milliseconds until nobody wants it any more. */
  readonly left: number;
}

export interface Waiting {
  readonly id: string;
  readonly queue: string;
  readonly work: number;
}

/** The shared queue at one time. */
export interface QueueView {
  readonly waiting: readonly Waiting[];
  readonly running: readonly Waiting[];
  /** Milliseconds for a unit of work, by queue. */
  readonly rates: ReadonlyMap<string, number>;
  /** Processes that draw. */
  readonly workers: number;
}

type Arg = string | number | Buffer;
type Scripted = Record<string, (...args: Arg[]) => Promise<unknown>>;

/** The orders in Redis, in words of this package. */
export class OrderStore {
  readonly #scripts: Scripted;

  /** @param maxBytes most bytes of the images of orders that are over */
  constructor(
    private readonly client: Redis,
    private readonly maxBytes: number,
  ) {
    for (const [name, lua] of Object.entries(SCRIPTS)) client.defineCommand(`t2i_${name}`, { numberOfKeys: 0, lua });
    this.#scripts = client as unknown as Scripted;
  }

  async accept(order: Acceptance): Promise<Accepted> {
    const { id, queue, work, timeout, kept, limit, limitPerKey, repeat } = order;
    const [kind, ...rest] = (await this.#run(
      'accept',
      ...[id, writeOrder(order.order), order.order.key, queue, work, Math.ceil(timeout), kept, limit, limitPerKey],
      ...[repeat?.place ?? '', repeat?.body ?? ''],
    )) as [string, ...unknown[]];
    if (kind === 'accepted') return { kind, round: Number(rest[0]) };
    if (kind === 'repeated') return { kind, id: String(rest[0]), body: String(rest[1]) };
    return { kind: kind as 'full' };
  }

  /** Null where there is no such order, it is over, or its lock in BullMQ is not that of the token. */
  async take(queue: string, id: string, token: string): Promise<Taken | null> {
    const [text, left, takes, cancel, drawn] = (await this.#run('take', id, token, bullKeys(queue))) as [
      ...[text: string | undefined, left: number, takes: number, cancel: string, drawn: string[]],
    ];
    if (text === undefined) return null;
    return { text, left, takes, cancelled: cancel !== '', drawn: drawn.map(Number) };
  }

  step(
    id: string,
    token: string,
    { image, step, steps, preview }: { image: number; step: number; steps: number; preview?: Raster | undefined },
  ) {
    const raster = preview === undefined ? '' : writeRaster(preview);
    return this.#word('step', id, token, image, step, steps, PREVIEW_BYTES, raster);
  }

  /** Keeps an image, and tells of it; once for each, whoever draws it again. */
  image(id: string, token: string, index: number, { rgb, receipt }: GeneratedImage): Promise<Word> {
    return this.#word('image', id, token, index, Buffer.from(rgb), serializeReceipt(receipt));
  }

  /** Returns whether this was its end, and not another before; one that was left ends as whoever left said. */
  async finish(id: string, token: string, end: OrderEnd): Promise<boolean> {
    return (await this.#run('finish', id, token, JSON.stringify(end), this.maxBytes)) === 1;
  }

  /** Ends an order that nobody wants any more; whoever draws it is told. Returns whether nobody did, so that it is over at once. */
  async leave(id: string, end: OrderEnd): Promise<boolean> {
    return (await this.#run('leave', id, JSON.stringify(end), this.maxBytes)) === 1;
  }

  /** Returns whether it was still the caller's. */
  async giveBack(id: string, token: string): Promise<boolean> {
    return (await this.#run('giveBack', id, token)) === 1;
  }

  /**
   * Removes what came up for a token and BullMQ cannot read; it would come up for ever.
   *
   * @returns its ids
   */
  async discard(queue: string, token: string): Promise<readonly string[]> {
    return (await this.#run('discard', bullKeys(queue), token)) as string[];
  }

  async forget(id: string): Promise<void> {
    await this.#run('forget', id);
  }

  async look(): Promise<QueueView> {
    type Row = [id: string, queue: string, work: string];
    const [waiting, running, rates, workers] = (await this.#run('look')) as [Row[], Row[], string[], number];
    const read = (rows: Row[]) => rows.map(([id, queue, work]) => ({ id, queue, work: Number(work) || 0 }));
    const pairs = rates.flatMap((each, at) => (at % 2 === 0 ? [[each, Number(rates[at + 1])] as const] : []));
    return { waiting: read(waiting), running: read(running), rates: new Map(pairs), workers };
  }

  async learn(queue: string, rate: number): Promise<void> {
    await this.client.hset(`${PREFIX}rates`, queue, rate);
  }

  async beat(worker: string, goesOn: boolean): Promise<void> {
    await this.#run('beat', worker, goesOn ? '1' : '0');
  }

  /**
   * What is known of an order; null where there is none.
   *
   * @throws ForeignContent
   */
  async find(id: string): Promise<FoundOrder | null> {
    const fields = ['text', 'end', 'takes', 'round', 'deadline'] as const;
    const [[text, end, takes, round, deadline], [seconds]] = await Promise.all([
      this.client.hmget(keyOf(id), ...fields) as Promise<(string | null)[]>,
      this.client.time(),
    ]);
    if (typeof text !== 'string') return null;
    return {
      order: readOrder(text),
      end: typeof end === 'string' ? readEnd(end) : null,
      takes: numberOf(takes),
      round: numberOf(round),
      left: Math.max(0, numberOf(deadline) - Number(seconds) * 1000),
    };
  }

  async keepsImages(id: string): Promise<boolean> {
    return (await this.client.exists(`${keyOf(id)}:images`)) === 1;
  }

  /**
   * How an order ended; null while it goes on, and `lost` where there is none.
   *
   * @throws ForeignContent
   */
  async endOf(id: string): Promise<OrderEnd | null | 'lost'> {
    const [deadline, end] = await this.client.hmget(keyOf(id), 'deadline', 'end');
    if (typeof deadline !== 'string') return 'lost';
    return typeof end === 'string' ? readEnd(end) : null;
  }

  /** The job that an idempotency key started; null where it started none. */
  async repeated(place: string): Promise<{ readonly id: string; readonly body: string } | null> {
    const [id, body] = await this.client.hmget(`${PREFIX}repeat:${place}`, 'id', 'body');
    return typeof id === 'string' && typeof body === 'string' ? { id, body } : null;
  }

  /**
   * The next events of an order.
   *
   * @param after id of the last one that was read; `0` for none
   * @returns each with its id, and what cannot be read as the error
   */
  async events(id: string, after: string): Promise<{ readonly at: string; readonly event: OrderEvent | Error }[]> {
    const start = after === '0' ? '-' : `(${after}`;
    const rows = await this.client.xrangeBuffer(`${keyOf(id)}:events`, start, '+', 'COUNT', EVENTS_AT_ONCE);
    return rows.map(([at, fields]) => ({
      at: at.toString(),
      event: orError(() => readEvent(textsOf(fields))),
    }));
  }

  /**
   * An image of an order; null where it is not kept.
   *
   * @throws ForeignContent
   */
  async imageOf(id: string, index: number, seed: number): Promise<GeneratedImage | null> {
    const [rgb, receipt] = await this.client.hmgetBuffer(`${keyOf(id)}:images`, `rgb:${index}`, `receipt:${index}`);
    return rgb && receipt ? readImage(rgb, receipt.toString(), seed) : null;
  }

  async #word(name: ScriptName, ...args: Arg[]): Promise<Word> {
    const answer = await this.#run(name, ...args);
    if (answer === -1) return 'lost';
    return answer === 1 ? 'cancelled' : 'on';
  }

  #run(name: ScriptName, ...args: Arg[]): Promise<unknown> {
    return (this.#scripts[`t2i_${name}`] as Scripted[string])(PREFIX, ...args);
  }
}

/** Names and values by turns; the pixels of a preview as latin1. */
function textsOf(fields: readonly Buffer[]): string[] {
  return fields.map((field, at) => field.toString(fields[at - 1]?.toString() === 'preview' ? 'latin1' : 'utf8'));
}

/** What BullMQ's keys of a queue begin with. */
const bullKeys = (queue: string) => `${BULL_PREFIX}:${queue}:`;
const keyOf = (id: string) => `${PREFIX}order:${id}`;

/** Where it is told that something became of an order. */
export const channelOf = keyOf;
/** Where it is told that orders came nearer to their turn. */
export const MOVED = `${PREFIX}moved`;

/** A number that Redis keeps as text; 0 for anything else. */
function numberOf(text: string | null | undefined): number {
  return Number(text) || 0;
}

function orError<T>(read: () => T): T | Error {
  try {
    return read();
  } catch (error) {
    return error as Error;
  }
}
