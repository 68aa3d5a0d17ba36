import type { Worker } from 'bullmq';
import { describe, expect, it, vi } from 'vitest';
import { ServerLimits } from '../../../../src/server/http/limits.js';
import type { LockKeeper } from '../../../../src/server/redis/lock-keeper.js';
import { ForeignContent, readOrder } from '../../../../src/server/redis/order.js';
import type { FoundOrder, OrderStore, Taken } from '../../../../src/server/redis/order-store.js';
import { OrderTaker } from '../../../../src/server/redis/order-taker.js';
import { settled } from '../../../support/fake-clock.js';
import { heldQueue } from '../../../support/held-queue.js';
import { memoryModel } from '../../../support/memory-server.js';

const REQUEST = {
  ...{ prompt: 'a cat', negativePrompt: '', seeds: [4, 2], steps: 5, guidanceScale: 2, sampler: 'ddim' },
  ...{ sigmas: null, eta: 0, width: 32, height: 32, previewEvery: 0 },
};
const textOf = (request: object = {}, more: object = {}) =>
  JSON.stringify({ v: 1, model: 'formula', key: 'a', api: 'jobs', request: { ...REQUEST, ...request }, ...more });
const TAKEN: Taken = { text: textOf(), left: 60_000, takes: 0, cancelled: false, drawn: [] };
const FOUND: FoundOrder = { order: readOrder(textOf()), end: null, takes: 0, round: 1, left: 60_000 };

/** Who takes orders, and a BullMQ that has one of them. */
function taking(name = 'draw') {
  const job = {
    ...{ id: 'one', name, queueName: 'q' },
    moveToWait: vi.fn(async () => {}),
    moveToCompleted: vi.fn(async () => {}),
  };
  const bull = { name: 'q', getNextJob: vi.fn(async (..._args: unknown[]): Promise<unknown> => job) };
  const store = {
    take: vi.fn(async (): Promise<Taken | null> => TAKEN),
    find: vi.fn(async (): Promise<FoundOrder | null> => FOUND),
    finish: vi.fn(async () => true),
    discard: vi.fn(async () => ['bad', 'worse']),
    leave: vi.fn(async () => true),
  };
  const letGo = vi.fn();
  const locks = { keep: vi.fn(() => letGo) };
  const log = { info: vi.fn(), warn: vi.fn(), error: vi.fn() };
  const onOrder = vi.fn();
  const limits = new ServerLimits({ images: 2, steps: 30 });
  const drawing = heldQueue();
  const parts = { store: store as unknown as OrderStore, queue: drawing.queue, limits, log, onOrder };
  const taker = new OrderTaker(parts, 'worker', locks as unknown as LockKeeper);
  const fetch = (block = true) => taker.fetch(bull as unknown as Worker, block);
  const take = async () =>
    taker.take(memoryModel('formula'), (await fetch()) as NonNullable<Awaited<ReturnType<typeof fetch>>>);
  return { job, bull, store, letGo, locks, log, onOrder, drawing, taker, fetch, take };
}

const errorOf = (code: string, status: number) => ({
  ...{ kind: 'failed', error: expect.objectContaining({ code, status, message: expect.any(String) }) },
});

describe('an order that came up', () => {
  it('is fetched with a token of its own, under which its lock is kept', async () => {
    const { fetch, bull, locks, job, letGo } = taking();
    const [one, two] = [await fetch(true), await fetch(false)];
    expect(bull.getNextJob.mock.calls).toEqual([
      [one?.token, { block: true }],
      [two?.token, { block: false }],
    ]);
    expect(one?.token).toMatch(/^worker:/);
    expect(two?.token).not.toBe(one?.token);
    expect(one).toEqual({ job, token: one?.token, letGo });
    expect(locks.keep).toHaveBeenCalledWith(bull, 'one', one?.token);
  });

  it('is none where there is none', async () => {
    const { fetch, bull, locks } = taking();
    bull.getNextJob.mockResolvedValueOnce(undefined);
    expect([await fetch(), locks.keep.mock.calls]).toEqual([null, []]);
  });

  it('is removed, told and counted where BullMQ cannot read it', async () => {
    const { fetch, bull, store, log, onOrder } = taking();
    bull.getNextJob.mockRejectedValueOnce(new SyntaxError('JSON'));
    expect(await fetch()).toBeNull();
    expect(store.discard).toHaveBeenCalledWith('q', bull.getNextJob.mock.calls[0]?.[0]);
    expect(store.leave.mock.calls).toEqual([
      ['bad', errorOf('internal', 500)],
      ['worse', errorOf('internal', 500)],
    ]);
    expect(onOrder.mock.calls).toEqual([['refused'], ['refused']]);
    expect(log.error.mock.calls.map(([facts]) => facts.order)).toEqual(['bad', 'worse']);
  });

  it('cannot be fetched where Redis is away, and nothing is removed then', async () => {
    const { fetch, bull, store } = taking();
    bull.getNextJob.mockRejectedValueOnce(new Error('away'));
    await expect(fetch()).rejects.toThrow('away');
    expect(store.discard).not.toHaveBeenCalled();
  });

  it('can be put back as if nothing had happened, and is for others soon where Redis is away', async () => {
    const { fetch, taker, job, letGo } = taking();
    const fetched = await fetch();
    job.moveToWait.mockRejectedValueOnce(new Error('away'));
    if (fetched !== null) await taker.putBack(fetched);
    expect([job.moveToWait.mock.calls, letGo.mock.calls.length]).toEqual([[[fetched?.token]], 1]);
  });

  it.each<[what: string, found: FoundOrder | null | Error, room: number, isLike: boolean]>([
    ['of the same but for the seeds', { ...FOUND, order: readOrder(textOf({ seeds: [7] })) }, 1, true],
    ['that just fits in', FOUND, 2, true],
    ['for which there is no room', FOUND, 1, false],
    ['of another prompt', { ...FOUND, order: readOrder(textOf({ prompt: 'a dog' })) }, 9, false],
    ['that ended a process before', { ...FOUND, takes: 1 }, 9, false],
    ['that there is not', null, 9, false],
    ['that cannot be read', new ForeignContent('damaged'), 9, false],
  ])('%s: whether it is drawn with another is told', async (_, found, room, isLike) => {
    const { fetch, taker, store } = taking();
    if (found instanceof Error) store.find.mockRejectedValueOnce(found);
    else store.find.mockResolvedValueOnce(found);
    const fetched = (await fetch()) as NonNullable<Awaited<ReturnType<typeof fetch>>>;
    expect(await taker.isLike(fetched, FOUND.order, room)).toBe(isLike);
    expect(store.find).toHaveBeenCalledWith('one');
  });
});

describe('an order that is taken', () => {
  it('is drawn, and counted', async () => {
    const { take, store, onOrder, log, letGo, job, drawing } = taking();
    const held = await take();
    expect(held).toMatchObject({ id: 'one', images: 2, isRepeated: false, order: readOrder(textOf()) });
    expect(store.take).toHaveBeenCalledWith('q', 'one', expect.stringMatching(/^worker:/));
    expect([onOrder.mock.calls, log.warn.mock.calls, letGo.mock.calls]).toEqual([[['taken']], [], []]);
    expect(job.moveToCompleted).not.toHaveBeenCalled();
    void held?.draw();
    await settled();
    expect(drawing.batches[0]?.[0].request.seeds).toEqual([4, 2]);
  });

  it('after a process that ended is drawn on, and counted as repeated', async () => {
    const { take, store, onOrder, log } = taking();
    store.take.mockResolvedValueOnce({ ...TAKEN, takes: 1, drawn: [0] });
    expect(await take()).toMatchObject({ images: 1, isRepeated: true });
    expect(onOrder.mock.calls).toEqual([['repeated']]);
    expect(log.warn.mock.calls).toEqual([[{ order: 'one', model: 'formula' }, expect.stringMatching(/ended/)]]);
  });

  it.each<[what: string, taken: Partial<Taken>, end: unknown, isForeign: boolean, name?: string]>([
    ['nobody wants any more', { cancelled: true }, { kind: 'cancelled' }, false],
    ['has no time left', { left: 0 }, errorOf('deadline_exceeded', 504), false],
    ['ended two processes', { takes: 2 }, errorOf('backend_crashed', 503), false],
    ['is none', { text: '{' }, errorOf('internal', 500), true],
    ['is for another model', { text: textOf({}, { model: 'other' }) }, errorOf('internal', 500), true],
    ['came as another kind of job', {}, errorOf('internal', 500), true, 'other'],
    ['asks for too much', { text: textOf({ steps: 31 }) }, errorOf('option_invalid', 400), true],
  ])('is not drawn, and its end is told, where it %s', async (_, taken, end, isForeign, name) => {
    const { take, store, job, letGo, onOrder, log } = taking(name);
    store.take.mockResolvedValueOnce({ ...TAKEN, ...taken });
    job.moveToCompleted.mockRejectedValueOnce(new Error('no lock'));
    expect(await take()).toBeNull();
    const token = expect.stringMatching(/^worker:/);
    expect(store.finish.mock.calls).toEqual([['one', token, end]]);
    expect(job.moveToCompleted.mock.calls).toEqual([[null, token, false]]);
    expect(letGo).toHaveBeenCalledOnce();
    expect(onOrder.mock.calls).toEqual(isForeign ? [['refused']] : []);
    const told = [{ order: 'one', model: 'formula', err: expect.any(Error) }, expect.stringContaining('refused')];
    expect(log.error.mock.calls).toEqual(isForeign ? [told] : []);
  });

  it('is not drawn where it is over already', async () => {
    const { take, store, job, letGo } = taking();
    store.take.mockResolvedValueOnce(null);
    expect([await take(), store.finish.mock.calls]).toEqual([null, []]);
    expect([job.moveToCompleted.mock.calls.length, letGo.mock.calls.length]).toEqual([1, 1]);
  });

  it('is left to others where Redis is away', async () => {
    const { take, store, job, letGo } = taking();
    store.take.mockRejectedValueOnce(new Error('away'));
    await expect(take()).rejects.toThrow('away');
    expect([job.moveToCompleted.mock.calls.length, letGo.mock.calls.length]).toEqual([0, 1]);
  });
});
