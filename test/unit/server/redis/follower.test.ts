import { EventEmitter } from 'node:events';
import type { Redis } from 'ioredis';
import { describe, expect, it, vi } from 'vitest';
import { Follower } from '../../../../src/server/redis/follower.js';
import type { OrderEnd, OrderEvent } from '../../../../src/server/redis/order.js';
import type { OrderStore } from '../../../../src/server/redis/order-store.js';
import { FakeClock, settled } from '../../../support/fake-clock.js';

/** An order as Redis has it, which the test changes, and what its listener was told. */
async function followed() {
  const order = { events: [] as (OrderEvent | Error)[], end: null as OrderEnd | null | 'lost', isAway: false };
  const whenUp = async <T>(value: T) => {
    if (order.isAway) throw new Error('away');
    return value;
  };
  const store = {
    endOf: () => whenUp(order.end),
    events: (_id: string, after: string) =>
      whenUp(order.events.slice(Number(after)).map((event, at) => ({ at: String(Number(after) + at + 1), event }))),
  };
  const calls = { subscribe: vi.fn(async () => {}), unsubscribe: vi.fn(async () => {}), disconnect: vi.fn() };
  const subscriber = Object.assign(new EventEmitter(), calls);
  const clock = new FakeClock();
  const log = { info: vi.fn(), warn: vi.fn(), error: vi.fn() };
  const onMoved = vi.fn();
  const redis = subscriber as unknown as Redis;
  const follower = new Follower(store as unknown as OrderStore, redis, clock, log, onMoved);
  await follower.open();
  const told: unknown[] = [];
  const listening = { onEvent: async (event: OrderEvent) => void told.push(event.type) };
  await follower.follow('one', {
    onEvent: (event) => listening.onEvent(event),
    onOver: async (end) => void told.push({ over: end }),
    onLost: () => void told.push('lost'),
  });
  return { order, follower, subscriber, clock, told, log, onMoved, listening };
}

describe('who follows an order', () => {
  it('is told what no message told, once, at the next look', async () => {
    const { order, clock, told, subscriber } = await followed();
    order.events.push({ type: 'start' });
    subscriber.emit('message', 't2i:order:one');
    await settled();
    order.events.push({ type: 'back' });
    await clock.turn(5000);
    await clock.turn(5000);
    expect(told).toEqual(['start', 'back']);
  });

  it('is told what happened while Redis was away, as soon as it is back', async () => {
    const { order, clock, told, subscriber } = await followed();
    order.isAway = true;
    order.events.push({ type: 'start' });
    await clock.turn(5000);
    expect(told).toEqual([]);
    order.isAway = false;
    subscriber.emit('ready');
    await settled();
    expect(told).toEqual(['start']);
  });

  it('is told the end of one whose events are not kept any more', async () => {
    const { order, clock, told } = await followed();
    order.end = { kind: 'completed' };
    await clock.turn(5000);
    expect(told).toEqual([{ over: { kind: 'completed' } }]);
  });

  it('is told that there is no such order any more, and nothing after it left', async () => {
    const { order, clock, told, follower } = await followed();
    order.end = 'lost';
    await clock.turn(5000);
    expect(told).toEqual(['lost']);
    follower.unfollow('one');
    await clock.turn(5000);
    expect(told).toEqual(['lost']);
  });

  it('hears of its own order by its messages, and of nothing by those of others', async () => {
    const { order, told, subscriber } = await followed();
    expect(subscriber.subscribe.mock.calls).toEqual([['t2i:moved'], ['t2i:order:one']]);
    order.events.push({ type: 'start' });
    subscriber.emit('message', 't2i:order:other');
    await settled();
    expect(told).toEqual([]);
    subscriber.emit('message', 't2i:order:one');
    await settled();
    expect(told).toEqual(['start']);
  });

  it('reads once more where a message comes while it reads, and tells all in order', async () => {
    const { order, told, subscriber, listening } = await followed();
    order.events.push({ type: 'start' });
    let goOn = () => {};
    listening.onEvent = (event) => {
      told.push(event.type);
      return new Promise((resolve) => {
        goOn = resolve as () => void;
      });
    };
    subscriber.emit('message', 't2i:order:one');
    await settled();
    order.events.push({ type: 'back' });
    subscriber.emit('message', 't2i:order:one');
    await settled();
    expect(told).toEqual(['start']);
    listening.onEvent = async (event) => void told.push(event.type);
    goOn();
    await settled();
    expect(told).toEqual(['start', 'back']);
  });

  it('is told again what it could not take', async () => {
    const { order, told, subscriber, listening } = await followed();
    const { onEvent } = listening;
    listening.onEvent = () => Promise.reject(new Error('away'));
    order.events.push({ type: 'start' });
    subscriber.emit('message', 't2i:order:one');
    await settled();
    listening.onEvent = onEvent;
    subscriber.emit('message', 't2i:order:one');
    await settled();
    expect(told).toEqual(['start']);
  });

  it('is told what comes after foreign content, which is logged once', async () => {
    const { order, told, log, clock } = await followed();
    const foreign = new Error('foreign');
    order.events.push(foreign, { type: 'start' });
    await clock.turn(5000);
    await clock.turn(5000);
    expect(told).toEqual(['start']);
    expect(log.error.mock.calls).toEqual([[{ order: 'one', err: foreign }, expect.stringContaining('left out')]]);
  });

  it('is told nothing more after it left in the middle of what is read', async () => {
    const { order, told, subscriber, follower, listening } = await followed();
    order.events.push({ type: 'start' }, { type: 'back' });
    order.end = { kind: 'completed' };
    listening.onEvent = async (event) => {
      told.push(event.type);
      follower.unfollow('one');
    };
    subscriber.emit('ready');
    await settled();
    expect(told).toEqual(['start']);
    expect(subscriber.unsubscribe.mock.calls).toEqual([['t2i:order:one']]);
    follower.unfollow('one');
    expect(subscriber.unsubscribe).toHaveBeenCalledOnce();
  });

  it('can follow and leave where Redis does not answer', async () => {
    const { follower, subscriber, order, clock } = await followed();
    subscriber.subscribe.mockRejectedValue(new Error('away'));
    subscriber.unsubscribe.mockRejectedValue(new Error('away'));
    order.isAway = true;
    const told: string[] = [];
    const onEvent = (event: OrderEvent) => void told.push(event.type);
    await follower.follow('two', { onEvent, onOver: async () => {}, onLost: () => {} });
    order.isAway = false;
    order.events.push({ type: 'start' });
    await clock.turn(5000);
    follower.unfollow('two');
    await settled();
    expect(told).toEqual(['start']);
  });

  it('looks at the queue when it moved, now and then, and when Redis is back', async () => {
    const { subscriber, clock, onMoved, told } = await followed();
    subscriber.emit('message', 't2i:moved');
    expect(onMoved).toHaveBeenCalledTimes(1);
    await clock.turn(5000);
    await clock.turn(5000);
    expect(onMoved).toHaveBeenCalledTimes(3);
    subscriber.emit('ready');
    expect([onMoved.mock.calls.length, told]).toEqual([4, []]);
  });

  it('hears nothing more after the end', async () => {
    const { order, follower, subscriber, clock, told, onMoved } = await followed();
    follower.close();
    expect(subscriber.disconnect).toHaveBeenCalledOnce();
    order.events.push({ type: 'start' });
    subscriber.emit('message', 't2i:order:one');
    await clock.turn(5000);
    expect([told, onMoved.mock.calls, clock.pending]).toEqual([[], [], 0]);
  });
});
