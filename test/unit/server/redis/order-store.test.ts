import type { Redis } from 'ioredis';
import { describe, expect, it } from 'vitest';
import { hashArrays, serializeReceipt } from '../../../../src/image/receipt.js';
import { ForeignContent, readOrder, writeOrder } from '../../../../src/server/redis/order.js';
import { OrderStore } from '../../../../src/server/redis/order-store.js';
import { readRaster, writeRaster } from '../../../../src/server/redis/pixels.js';
import { gradient, receiptOf } from '../../../support/receipts.js';

const ORDER = readOrder(
  JSON.stringify({
    ...{ v: 1, model: 'formula', key: 'a', api: 'jobs' },
    request: {
      ...{ prompt: 'a cat', negativePrompt: '', seeds: [1], steps: 5, guidanceScale: 1, sampler: 'ddim' },
      ...{ sigmas: null, eta: 0, width: 32, height: 32, previewEvery: 0 },
    },
  }),
);
const ASKED = { id: 'one', order: ORDER, queue: 'q', work: 7, timeout: 1.5, kept: 60, limit: 4, limitPerKey: 2 };

/** Orders in a Redis whose every command answers the same. */
function storeOf(answer: unknown) {
  const asked: unknown[][] = [];
  const defined: string[] = [];
  const client = new Proxy(
    { defineCommand: (name: string) => void defined.push(name) },
    {
      get: (target, name: string) =>
        name === 'defineCommand'
          ? target.defineCommand
          : async (...args: unknown[]) => {
              asked.push([name, ...args]);
              return typeof answer === 'function' ? answer(name) : answer;
            },
    },
  );
  return { store: new OrderStore(client as unknown as Redis, 1000), asked, defined };
}

describe('an order that is put into Redis', () => {
  it('has its bounds and who repeats it, in whole milliseconds', async () => {
    const { store, asked, defined } = storeOf(['accepted', '3']);
    expect(await store.accept(ASKED)).toEqual({ kind: 'accepted', round: 3 });
    await store.accept({ ...ASKED, repeat: { place: 'p', body: 'b' } });
    const all = ['t2i_accept', 't2i:', 'one', writeOrder(ORDER), 'a', 'q', 7, 2, 60, 4, 2];
    expect(asked).toEqual([
      [...all, '', ''],
      [...all, 'p', 'b'],
    ]);
    expect(defined).toContain('t2i_accept');
  });

  it.each([
    [['full'], { kind: 'full' }],
    [['full of key'], { kind: 'full of key' }],
    [['repeated', 'two', 'hash'], { kind: 'repeated', id: 'two', body: 'hash' }],
  ])('is answered %j', async (answer, accepted) => {
    expect(await storeOf(answer).store.accept(ASKED)).toEqual(accepted);
  });
});

describe('who draws an order', () => {
  it('takes it with what is known of it, under its lock in BullMQ', async () => {
    const { store, asked } = storeOf(['text', 900, 1, '', ['0', '2']]);
    const taken = { text: 'text', left: 900, takes: 1, cancelled: false, drawn: [0, 2] };
    expect(await store.take('q', 'one', 'token')).toEqual(taken);
    expect(asked).toEqual([['t2i_take', 't2i:', 'one', 'token', 't2i-bull:q:']]);
    expect(await storeOf(['text', 900, 0, '{}', []]).store.take('q', 'one', 'token')).toMatchObject({
      cancelled: true,
    });
    expect(await storeOf([]).store.take('q', 'one', 'token')).toBeNull();
  });

  it.each([
    [0, 'on'],
    [1, 'cancelled'],
    [-1, 'lost'],
  ])('hears %d as %s', async (answer, word) => {
    const { store, asked } = storeOf(answer);
    const preview = { width: 1, height: 1, rgb: new Uint8Array(3) };
    expect(await store.step('one', 'token', { image: 0, step: 2, steps: 5 })).toBe(word);
    expect(await store.step('one', 'token', { image: 0, step: 2, steps: 5, preview })).toBe(word);
    const step = ['t2i_step', 't2i:', 'one', 'token', 0, 2, 5, 16 * 1024 * 1024];
    expect(asked).toEqual([
      [...step, ''],
      [...step, writeRaster(preview)],
    ]);
  });

  it.each([
    [1, true],
    [0, false],
  ])('and who leaves hear %d as %s', async (answer, is) => {
    const { store } = storeOf(answer);
    const end = { kind: 'cancelled' } as const;
    expect([await store.finish('one', 'token', end), await store.leave('one', end)]).toEqual([is, is]);
    expect([await store.giveBack('one', 'token'), await store.keepsImages('one')]).toEqual([is, is]);
  });

  it('says that it goes on, or not', async () => {
    const { store, asked } = storeOf(1);
    await store.beat('worker', true);
    await store.beat('worker', false);
    expect(asked.map((args) => args.slice(2))).toEqual([
      ['worker', '1'],
      ['worker', '0'],
    ]);
  });
});

describe('the shared queue', () => {
  it('is read with its rates, and work that is no number counts as none', async () => {
    const { store } = storeOf([
      [
        ['a', 'q', '7'],
        ['b', 'q', 'x'],
      ],
      [['c', 'p', '1']],
      ['q', '2', 'p', '0.5'],
      3,
    ]);
    expect(await store.look()).toEqual({
      waiting: [
        { id: 'a', queue: 'q', work: 7 },
        { id: 'b', queue: 'q', work: 0 },
      ],
      running: [{ id: 'c', queue: 'p', work: 1 }],
      rates: new Map([
        ['q', 2],
        ['p', 0.5],
      ]),
      workers: 3,
    });
  });
});

describe('what is known of an order', () => {
  const found = (fields: unknown[]) =>
    storeOf((name: string) => (name === 'time' ? ['100', '5'] : fields)).store.find('one');
  const text = writeOrder(ORDER);

  it('is its text, its end, how often it was taken, its turn and its time', async () => {
    const known = { order: ORDER, end: null, takes: 2, round: 3, left: 500 };
    expect(await found([text, null, '2', '3', '100500'])).toEqual(known);
    const over = { order: ORDER, end: { kind: 'cancelled' }, takes: 0, round: 0, left: 0 };
    expect(await found([text, '{"kind":"cancelled"}', null, 'x', '99000'])).toEqual(over);
    expect(await found([null, null, null, null, null])).toBeNull();
    await expect(found(['{', null, null, null, null])).rejects.toThrow(ForeignContent);
  });

  it.each<[fields: unknown[], end: unknown]>([
    [[null, null], 'lost'],
    [['1', null], null],
    [['1', '{"kind":"completed"}'], { kind: 'completed' }],
  ])('is by %j how it ended', async (fields, end) => expect(await storeOf(fields).store.endOf('one')).toEqual(end));

  it.each<[fields: unknown[], repeated: unknown]>([
    [['one', 'hash'], { id: 'one', body: 'hash' }],
    [['one', null], null],
    [[null, 'hash'], null],
  ])('is by %j the job that an idempotency key started', async (fields, repeated) => {
    const { store, asked } = storeOf(fields);
    expect(await store.repeated('place')).toEqual(repeated);
    expect(asked).toEqual([['hmget', 't2i:repeat:place', 'id', 'body']]);
  });

  it('is what became of it since, with previews as they are, and what is foreign as its error', async () => {
    const raster = writeRaster(gradient());
    const fields = ['type', 'step', 'image', '0', 'step', '1', 'steps', '5', 'preview', raster].map((each) =>
      Buffer.from(each),
    );
    const { store, asked } = storeOf([
      [Buffer.from('7-0'), fields],
      [Buffer.from('8-0'), [Buffer.from('type'), Buffer.from('run')]],
    ]);
    const [step, foreign] = await store.events('one', '0');
    await store.events('one', '8-0');
    const { preview = '', ...told } = (step?.event ?? {}) as { preview?: string };
    expect([step?.at, told]).toEqual(['7-0', { type: 'step', image: 0, step: 1, steps: 5 }]);
    expect(readRaster(Buffer.from(preview, 'latin1'))).toEqual(gradient());
    expect(foreign).toEqual({ at: '8-0', event: expect.any(ForeignContent) });
    const range = (start: string) => ['xrangeBuffer', 't2i:order:one:events', start, '+', 'COUNT', 16];
    expect(asked).toEqual([range('-'), range('(8-0')]);
  });

  it('is its end in the words that it was told in', async () => {
    const end = { kind: 'failed', error: { status: 500, code: 'internal', message: 'Kaputt: größer als möglich' } };
    const fields = ['type', 'end', 'end', JSON.stringify(end)].map((each) => Buffer.from(each));
    const { store } = storeOf([[Buffer.from('7-0'), fields]]);
    expect(await store.events('one', '0')).toEqual([{ at: '7-0', event: { type: 'end', end } }]);
  });

  it('is each of its images, where it is kept', async () => {
    const { rgb } = gradient();
    const receipt = receiptOf({ rgbSha256: hashArrays(rgb) });
    const { store, asked } = storeOf([Buffer.from(rgb), Buffer.from(serializeReceipt(receipt))]);
    expect((await store.imageOf('one', 2, receipt.seed))?.receipt).toEqual(receipt);
    expect(asked).toEqual([['hmgetBuffer', 't2i:order:one:images', 'rgb:2', 'receipt:2']]);
    for (const half of [
      [null, Buffer.from('{}')],
      [Buffer.from(rgb), null],
    ]) {
      expect(await storeOf(half).store.imageOf('one', 2, 7)).toBeNull();
    }
  });
});

it('how long the work of a queue takes is told to all', async () => {
  const { store, asked } = storeOf(1);
  await store.learn('q', 12.5);
  expect(asked).toEqual([['hset', 't2i:rates', 'q', 12.5]]);
});
