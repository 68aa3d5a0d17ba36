import { getEventListeners } from 'node:events';
import { describe, expect, it, vi } from 'vitest';
import type { GeneratedImage } from '../../../src/image/generated-image.js';
import { parseRequest, type RequestOptions } from '../../../src/options.js';
import { QueuedRequest, type RequestOrder } from '../../../src/server/queue/queued-request.js';
import { FakeClock } from '../../support/fake-clock.js';
import { LIMITS } from '../../support/request-limits.js';

const imageOf = (seed: number) => ({ seed }) as GeneratedImage;
const STEP = { image: 0, step: 1, steps: 2, seed: 1 };

function ask(options: Partial<RequestOptions> = {}, order: Partial<RequestOrder> = {}) {
  const clock = new FakeClock();
  const request = parseRequest({ prompt: 'x', seed: 1, ...options }, LIMITS);
  const listeners = { onStart: vi.fn(), onStep: vi.fn(), onImage: vi.fn() };
  const queued = new QueuedRequest(
    { key: 'a', model: 'm', api: 'test', timeout: 60_000, request, ...listeners, ...order },
    clock,
  );
  const [started, settled] = [vi.fn(), vi.fn()];
  queued.onStarted(started);
  queued.onSettled(settled);
  return { queued, clock, ...listeners, started, settled };
}

const ENDS = {
  completed: (queued: QueuedRequest) => queued.image(0, imageOf(1)),
  failed: (queued: QueuedRequest) => queued.fail(new Error('broken')),
  cancelled: (queued: QueuedRequest) => queued.cancel(new Error('left')),
};

describe('a request', () => {
  it('tells how long it waited at its first start alone, and how long it took from there', async () => {
    const { queued, clock, started, settled, onStart } = ask();
    await clock.turn(300);
    queued.start();
    await clock.turn(100);
    queued.requeue();
    expect(queued.state).toBe('queued');
    await clock.turn(50);
    queued.start();
    expect(queued.state).toBe('generating');
    await clock.turn(25);
    queued.image(0, imageOf(1));
    expect(started.mock.calls).toEqual([[300]]);
    expect(settled.mock.calls).toEqual([[175]]);
    expect(onStart).toHaveBeenCalledTimes(2);
  });

  it('took no time where it never started', async () => {
    const { queued, clock, started, settled } = ask();
    await clock.turn(300);
    queued.cancel(new Error('left'));
    expect([started.mock.calls, settled.mock.calls]).toEqual([[], [[0]]]);
  });

  it.each(Object.entries(ENDS))('that is %s stays so, and its listeners hear nothing more', async (state, end) => {
    const { queued, settled, ...listeners } = ask();
    end(queued);
    const heard = listeners.onImage.mock.calls.length;
    queued.start();
    queued.requeue();
    queued.step(STEP);
    queued.image(0, imageOf(2));
    queued.fail(new Error('later'));
    queued.cancel(new Error('later'));
    queued.refuse(new Error('later'));
    expect([queued.state, queued.settled, queued.wasRefused]).toEqual([state, true, false]);
    expect(settled).toHaveBeenCalledTimes(1);
    expect([listeners.onStart, listeners.onStep].flatMap(({ mock }) => mock.calls)).toEqual([]);
    expect(listeners.onImage).toHaveBeenCalledTimes(heard);
    if (state === 'completed') await expect(queued.result).resolves.toEqual([imageOf(1)]);
    else await expect(queued.result).rejects.toThrow(/broken|left/);
  });

  it('says whether the queue refused it', async () => {
    const { queued } = ask();
    expect([queued.settled, queued.wasRefused]).toEqual([false, false]);
    queued.refuse(new Error('full'));
    expect([queued.state, queued.wasRefused]).toEqual(['failed', true]);
    await expect(queued.accepted).rejects.toThrow('full');
    await expect(queued.result).rejects.toThrow('full');
  });

  it('is complete with the last of its images, whichever that is, in the order of its seeds', async () => {
    const { queued } = ask({ n: 3 });
    for (const index of [2, 0]) queued.image(index, imageOf(index));
    expect(queued.state).toBe('queued');
    queued.image(1, imageOf(1));
    expect(queued.state).toBe('completed');
    await expect(queued.result).resolves.toEqual([0, 1, 2].map(imageOf));
  });

  it('tells each image once, though a second try draws it again', async () => {
    const { queued, onImage } = ask({ n: 2 });
    queued.start();
    queued.image(0, imageOf(1));
    queued.requeue();
    queued.start();
    queued.image(0, imageOf(10));
    expect(queued.state).toBe('generating');
    queued.image(1, imageOf(2));
    expect(onImage.mock.calls).toEqual([
      [0, imageOf(1)],
      [1, imageOf(2)],
    ]);
    await expect(queued.result).resolves.toEqual([imageOf(1), imageOf(2)]);
  });

  it.each(['onStart', 'onStep', 'onImage'] as const)('ends with what its %s throws', async (listener) => {
    const { queued } = ask(
      {},
      {
        [listener]: () => {
          throw new Error('the listener');
        },
      },
    );
    queued.start();
    queued.step(STEP);
    queued.image(0, imageOf(1));
    expect(queued.state).toBe('failed');
    await expect(queued.result).rejects.toThrow('the listener');
  });

  it.each(Object.entries(ENDS))('that is %s leaves no listener at the signal', (_, end) => {
    const { signal } = new AbortController();
    const { queued } = ask({}, { signal });
    expect(getEventListeners(signal, 'abort')).toHaveLength(1);
    end(queued);
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
  });

  it('is cancelled by its signal with the reason of that', async () => {
    const leave = new AbortController();
    const { queued } = ask({}, { signal: leave.signal });
    leave.abort(new Error('left'));
    expect(queued.state).toBe('cancelled');
    await expect(queued.result).rejects.toThrow('left');
    await expect(queued.accepted).rejects.toThrow('left');
    expect(getEventListeners(leave.signal, 'abort')).toHaveLength(0);
  });
});
