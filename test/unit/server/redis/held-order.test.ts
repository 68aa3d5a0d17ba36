import type { Job } from 'bullmq';
import { describe, expect, it, vi } from 'vitest';
import { T2IError } from '../../../../src/errors.js';
import type { GeneratedImage } from '../../../../src/image/generated-image.js';
import { parseRequest } from '../../../../src/options.js';
import { HeldOrder } from '../../../../src/server/redis/held-order.js';
import type { OrderStore, Taken } from '../../../../src/server/redis/order-store.js';
import { settled } from '../../../support/fake-clock.js';
import { heldQueue } from '../../../support/held-queue.js';
import { LIMITS } from '../../../support/request-limits.js';

const IMAGE = { seed: 0 } as GeneratedImage;

/** An order of three images that this process has taken, and a Redis that hears of it. */
function held(taken: Partial<Taken> = {}, options: Parameters<typeof heldQueue>[0] = {}) {
  const drawing = heldQueue(options);
  const store = {
    step: vi.fn(async () => 'on'),
    image: vi.fn(async () => 'on'),
    finish: vi.fn(async () => true),
    giveBack: vi.fn(async () => true),
  };
  const job = { id: 'one', moveToCompleted: vi.fn(async () => {}), moveToWait: vi.fn(async () => {}) };
  const letGo = vi.fn();
  const log = { info: vi.fn(), warn: vi.fn(), error: vi.fn() };
  const request = parseRequest({ prompt: 'a cat', seeds: [4, 5, 6], steps: 3 }, LIMITS);
  const order = new HeldOrder(
    { store: store as unknown as OrderStore, log, queue: drawing.queue },
    { job: job as unknown as Job, token: 'token', letGo },
    { model: 'm', key: 'a', api: 'jobs', request },
    { text: '', left: 60_000, takes: 0, cancelled: false, drawn: [], ...taken },
  );
  return { ...drawing, store, job, letGo, log, order, request };
}

/** Begins to draw it; returns its request in the queue of the process. */
async function drawing(all: ReturnType<typeof held>) {
  const drawn = all.order.draw();
  drawn.catch(() => {});
  await settled();
  return { drawn, queued: all.batches[0]?.[0] };
}

describe('an order that this process draws', () => {
  it('tells its steps and images, and then that it is completed', async () => {
    const all = held();
    const { drawn, queued } = await drawing(all);
    expect([all.order.id, all.order.images, all.order.isRepeated]).toEqual(['one', 3, false]);
    expect(queued).toMatchObject({ key: 'a', model: 'm', api: 'jobs', request: all.request });
    const preview = { width: 1, height: 1, rgb: new Uint8Array(3) };
    queued?.step({ image: 1, step: 2, steps: 3, seed: 5, preview });
    expect(all.store.step).toHaveBeenCalledWith('one', 'token', { image: 1, step: 2, steps: 3, seed: 5, preview });
    await settled();
    expect(queued?.state).toBe('generating');
    await all.finish();
    await drawn;
    expect(all.store.image.mock.calls).toEqual([0, 1, 2].map((index) => ['one', 'token', index, expect.anything()]));
    expect(all.store.finish.mock.calls).toEqual([['one', 'token', { kind: 'completed' }]]);
    expect(all.job.moveToCompleted).toHaveBeenCalledWith(null, 'token', false);
    expect(all.letGo).toHaveBeenCalledOnce();
  });

  it('that another has drawn before goes on with the images that are missing', async () => {
    const all = held({ takes: 1, drawn: [0, 2] });
    const { drawn, queued } = await drawing(all);
    expect([all.order.images, all.order.isRepeated, queued?.request.seeds]).toEqual([1, true, [5]]);
    queued?.step({ image: 0, step: 1, steps: 3, seed: 5 });
    queued?.image(0, IMAGE);
    expect(all.store.step).toHaveBeenCalledWith('one', 'token', expect.objectContaining({ image: 1, step: 1 }));
    expect(all.store.image).toHaveBeenCalledWith('one', 'token', 1, IMAGE);
    await all.finish();
    await drawn;
    expect(all.store.finish).toHaveBeenCalledWith('one', 'token', { kind: 'completed' });
  });

  it('of which every image is there is completed without being drawn', async () => {
    const all = held({ takes: 1, drawn: [0, 1, 2] });
    await all.order.draw();
    expect([all.batches, all.store.finish.mock.calls]).toEqual([[], [['one', 'token', { kind: 'completed' }]]]);
  });

  it('ends within a step, untold, where another has taken it over', async () => {
    const all = held();
    const { drawn, queued } = await drawing(all);
    all.store.step.mockResolvedValueOnce('lost');
    queued?.step({ image: 0, step: 1, steps: 3, seed: 4 });
    await drawn;
    expect([queued?.state, all.store.finish.mock.calls, all.store.giveBack.mock.calls]).toEqual(['cancelled', [], []]);
    expect(all.log.warn).toHaveBeenCalledWith(
      { order: 'one' },
      expect.stringMatching(/taken the order over, or Redis has lost it/),
    );
    expect(all.letGo).toHaveBeenCalledOnce();
  });

  it('ends within a step, as cancelled, where nobody wants it any more', async () => {
    const all = held();
    const { drawn, queued } = await drawing(all);
    all.store.image.mockResolvedValueOnce('cancelled');
    queued?.image(0, IMAGE);
    await drawn;
    expect(queued?.state).toBe('cancelled');
    expect(all.store.finish.mock.calls).toEqual([['one', 'token', { kind: 'cancelled' }]]);
    expect(all.log.error).not.toHaveBeenCalled();
  });

  it.each([
    ['and is the next for others', true, 1],
    ['but not where another has it already', false, 0],
  ])('is given back where the process shuts down, %s', async (_, isOurs, moved) => {
    const all = held();
    all.store.giveBack.mockResolvedValue(isOurs);
    const { drawn } = await drawing(all);
    void all.queue.close();
    await drawn;
    expect(all.store.giveBack.mock.calls).toEqual([['one', 'token']]);
    expect([all.job.moveToWait.mock.calls.length, all.store.finish.mock.calls.length]).toEqual([moved, 0]);
    if (moved === 1) expect(all.job.moveToWait).toHaveBeenCalledWith('token');
  });

  it('has the rest of its time and no more', async () => {
    const all = held({ left: 5000 });
    const { drawn } = await drawing(all);
    await all.clock.turn(4999);
    expect(all.store.finish).not.toHaveBeenCalled();
    await all.clock.turn(1);
    await drawn;
    const error = { status: 504, code: 'deadline_exceeded', message: expect.any(String) };
    expect(all.store.finish).toHaveBeenCalledWith('one', 'token', { kind: 'failed', error });
    expect(all.log.error).not.toHaveBeenCalled();
  });

  it.each([
    ['an error', new Error('secret')],
    ['nothing', undefined],
  ])('fails without its reason, which is logged, where drawing it threw %s', async (_, thrown) => {
    const all = held();
    const { drawn, queued } = await drawing(all);
    queued?.fail(thrown);
    await drawn;
    const error = { status: 500, code: 'internal', message: expect.not.stringContaining('secret') };
    expect(all.store.finish.mock.calls).toEqual([['one', 'token', { kind: 'failed', error }]]);
    const err = thrown ?? expect.any(Error);
    expect(all.log.error.mock.calls).toEqual([[{ order: 'one', model: 'm', err }, 'failed']]);
  });

  it('fails with its reason, which is no fault of the server, where what it asks cannot be drawn', async () => {
    const all = held();
    const { drawn, queued } = await drawing(all);
    queued?.fail(new T2IError('OPTION_INVALID', 'steps: too many'));
    await drawn;
    const error = { status: 400, code: 'option_invalid', message: 'steps: too many' };
    expect(all.store.finish.mock.calls).toEqual([['one', 'token', { kind: 'failed', error }]]);
    expect(all.log.error).not.toHaveBeenCalled();
  });

  it('is refused where the process has no room, as any request', async () => {
    const all = held({}, { limit: 0 });
    await all.order.draw();
    const error = expect.objectContaining({ status: 429, code: 'queue_full', retryAfter: expect.any(Number) });
    expect(all.store.finish).toHaveBeenCalledWith('one', 'token', { kind: 'failed', error });
    expect(all.log.error).not.toHaveBeenCalled();
  });

  it('is left to others where Redis does not hear what became of it', async () => {
    const all = held();
    const { drawn } = await drawing(all);
    all.store.image.mockRejectedValue(new Error('away'));
    await all.finish();
    await expect(drawn).rejects.toThrow('away');
    expect([all.store.finish.mock.calls, all.letGo.mock.calls.length]).toEqual([[], 1]);
  });

  it('is over though its place in the queue of BullMQ is gone', async () => {
    const all = held({ drawn: [0, 1, 2] });
    all.job.moveToCompleted.mockRejectedValue(new Error('no lock'));
    await expect(all.order.draw()).resolves.toBeUndefined();
    const given = held();
    given.job.moveToWait.mockRejectedValue(new Error('no lock'));
    const { drawn } = await drawing(given);
    void given.queue.close();
    await expect(drawn).resolves.toBeUndefined();
  });
});
