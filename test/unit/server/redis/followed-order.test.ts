import { describe, expect, it, vi } from 'vitest';
import type { GeneratedImage } from '../../../../src/image/generated-image.js';
import { parseRequest } from '../../../../src/options.js';
import { QueuedRequest } from '../../../../src/server/queue/queued-request.js';
import { FollowedOrder } from '../../../../src/server/redis/followed-order.js';
import { ForeignContent } from '../../../../src/server/redis/order.js';
import type { OrderStore } from '../../../../src/server/redis/order-store.js';
import { writeRaster } from '../../../../src/server/redis/pixels.js';
import { FakeClock } from '../../../support/fake-clock.js';
import { gradient } from '../../../support/receipts.js';
import { LIMITS } from '../../../support/request-limits.js';

/** A request of two images here, what became of it there, and who listens. */
function followed() {
  const listeners = { onStart: vi.fn(), onStep: vi.fn(), onImage: vi.fn() };
  const request = parseRequest({ prompt: 'a cat', seeds: [4, 9], steps: 3 }, LIMITS);
  const asked = { key: 'a', model: 'm', api: 'jobs', timeout: 60_000, request, ...listeners };
  const queued = new QueuedRequest(asked, new FakeClock());
  const images = new Map([0, 1].map((index) => [index, { seed: index } as GeneratedImage]));
  const imageOf = vi.fn(async (_id: string, index: number, _seed: number) => images.get(index) ?? null);
  const log = { info: vi.fn(), warn: vi.fn(), error: vi.fn() };
  const order = new FollowedOrder('one', queued, { imageOf } as unknown as OrderStore, log);
  return { ...listeners, queued, images, imageOf, log, order };
}

const step = (image: number, at: number) => ({ type: 'step', image, step: at, steps: 3 }) as const;
const foreign = [{ order: 'one', err: expect.any(ForeignContent) }, expect.stringContaining('foreign content')];

describe('a request that is drawn elsewhere', () => {
  it('starts, waits again and starts once more as it does there', async () => {
    const { order, queued, onStart } = followed();
    const states: string[] = [];
    for (const type of ['start', 'start', 'back', 'start'] as const) {
      await order.onEvent({ type });
      states.push(queued.state);
    }
    expect(states).toEqual(['generating', 'generating', 'queued', 'generating']);
    expect(order.isOver).toBe(false);
    expect(onStart).toHaveBeenCalledTimes(2);
  });

  it('tells each step of each image once, though who draws it again begins anew', async () => {
    const { order, onStep } = followed();
    for (const [image, at] of [
      [0, 1],
      [0, 2],
      [0, 1],
      [0, 2],
      [1, 1],
      [0, 3],
    ] as const) {
      await order.onEvent(step(image, at));
    }
    const told = onStep.mock.calls.map(([event]) => event);
    expect(told).toEqual([
      { image: 0, step: 1, steps: 3, seed: 4 },
      { image: 0, step: 2, steps: 3, seed: 4 },
      { image: 1, step: 1, steps: 3, seed: 9 },
      { image: 0, step: 3, steps: 3, seed: 4 },
    ]);
  });

  it('shows the preview of a step', async () => {
    const { order, onStep } = followed();
    const preview = writeRaster(gradient()).toString('latin1');
    await order.onEvent({ ...step(0, 1), preview });
    expect(onStep.mock.calls[0]?.[0].preview).toEqual(gradient());
  });

  it('is completed by its last image, whichever that is, and over there then', async () => {
    const { order, queued, images, imageOf, onImage } = followed();
    await order.onEvent({ type: 'start' });
    await order.onEvent({ type: 'image', image: 1 });
    await order.onEvent({ type: 'image', image: 1 });
    expect([order.isOver, queued.state]).toEqual([false, 'generating']);
    await order.onEvent({ type: 'image', image: 0 });
    expect([order.isOver, queued.state]).toEqual([true, 'completed']);
    expect(await queued.result).toEqual([images.get(0), images.get(1)]);
    expect(onImage.mock.calls).toEqual([
      [1, images.get(1)],
      [0, images.get(0)],
    ]);
    expect(imageOf).toHaveBeenCalledWith('one', 1, 9);
    await order.onEvent({ type: 'end', end: { kind: 'completed' } });
    expect(queued.state).toBe('completed');
  });

  it('fails as it does there, with hint and time to wait', async () => {
    const { order, queued } = followed();
    const error = { status: 503, code: 'backend_crashed', message: 'gone', hint: 'again', retryAfter: 3 };
    await order.onEvent({ type: 'end', end: { kind: 'failed', error } });
    await expect(queued.result).rejects.toMatchObject(error);
    expect([order.isOver, queued.state]).toEqual([true, 'failed']);
  });

  it('is cancelled as it is there', async () => {
    const { order, queued } = followed();
    await order.onEvent({ type: 'end', end: { kind: 'cancelled' } });
    await expect(queued.result).rejects.toMatchObject({ code: 'cancelled' });
    expect([order.isOver, queued.state]).toEqual([true, 'cancelled']);
  });

  it('fails where it is said to be completed and images are missing', async () => {
    const { order, queued } = followed();
    await order.onEvent({ type: 'image', image: 0 });
    await order.onEvent({ type: 'end', end: { kind: 'completed' } });
    await expect(queued.result).rejects.toMatchObject({ status: 500, code: 'internal' });
  });

  it('fails where Redis has lost it, and may be sent again', async () => {
    const { order, queued } = followed();
    order.onLost();
    await expect(queued.result).rejects.toMatchObject({ status: 503, code: 'queue_unavailable', retryAfter: 1 });
    expect(order.isOver).toBe(true);
  });
});

describe('a request whose order is over when it is followed', () => {
  it('has its images from what is kept, and started before', async () => {
    const { order, queued, images, onStart } = followed();
    await order.onOver({ kind: 'completed' });
    expect(await queued.result).toEqual([images.get(0), images.get(1)]);
    expect(onStart).toHaveBeenCalledOnce();
  });

  it('is gone where an image is not kept any more', async () => {
    const { order, queued, images } = followed();
    images.delete(1);
    await order.onOver({ kind: 'completed' });
    await expect(queued.result).rejects.toMatchObject({ status: 410, code: 'gone' });
    expect(order.isOver).toBe(true);
  });

  it('has no images where it was cancelled', async () => {
    const { order, queued, imageOf } = followed();
    await order.onOver({ kind: 'cancelled' });
    expect([queued.state, imageOf.mock.calls]).toEqual(['cancelled', []]);
  });
});

describe('what others write of a request', () => {
  it.each([
    ['a step of an image that there is not', step(2, 1)],
    ['a preview that is none', { ...step(0, 1), preview: 'short' }],
  ])('is logged and left out: %s', async (_, event) => {
    const { order, queued, log, onStep } = followed();
    await order.onEvent({ type: 'start' });
    await order.onEvent(event);
    expect([log.error.mock.calls, onStep.mock.calls, queued.state]).toEqual([[foreign], [], 'generating']);
  });

  it.each([
    ['that there is not', 2, async () => null],
    ['that is damaged', 0, () => Promise.reject(new ForeignContent('damaged'))],
  ])('fails it, and is logged, where it is an image %s', async (_, image, read) => {
    const { order, queued, log, imageOf } = followed();
    imageOf.mockImplementation(read);
    await order.onEvent({ type: 'image', image });
    await expect(queued.result).rejects.toMatchObject({ status: 500, code: 'internal' });
    expect(log.error.mock.calls).toEqual([foreign]);
  });

  it('is read again where Redis is away', async () => {
    const { order, queued, log, imageOf } = followed();
    await order.onEvent({ type: 'start' });
    imageOf.mockRejectedValueOnce(new Error('away'));
    await expect(order.onEvent({ type: 'image', image: 0 })).rejects.toThrow('away');
    expect([queued.state, log.error.mock.calls]).toEqual(['generating', []]);
  });
});
