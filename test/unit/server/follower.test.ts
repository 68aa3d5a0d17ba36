import { EventEmitter } from 'node:events';
import type { Redis } from 'ioredis';
import { describe, expect, it } from 'vitest';
import { createLog } from '../../../src/server/log.js';
import { Follower } from '../../../src/server/redis/follower.js';
import type { OrderEnd, OrderEvent } from '../../../src/server/redis/order.js';
import type { OrderStore } from '../../../src/server/redis/order-store.js';
import { FakeClock, settled } from '../../support/fake-clock.js';

/** An order as Redis has it, which the test changes, and what its listener was told. */
async function followed() {
  const order = { events: [] as OrderEvent[], end: null as OrderEnd | null | 'lost', isAway: false };
  const whenUp = async <T>(value: T) => {
    if (order.isAway) throw new Error('away');
    return value;
  };
  const store = {
    endOf: () => whenUp(order.end),
    events: (_id: string, after: string) =>
      whenUp(order.events.slice(Number(after)).map((event, at) => ({ at: String(Number(after) + at + 1), event }))),
  };
  const calls = { subscribe: async () => {}, unsubscribe: async () => {}, disconnect: () => {} };
  const subscriber = Object.assign(new EventEmitter(), calls);
  const clock = new FakeClock();
  const follower = new Follower(
    ...([store as unknown as OrderStore, subscriber as unknown as Redis, clock, createLog(undefined)] as const),
    () => {},
  );
  await follower.open();
  const told: unknown[] = [];
  await follower.follow('one', {
    onEvent: (event) => void told.push(event.type),
    onOver: async (end) => void told.push(end),
    onLost: () => void told.push('lost'),
  });
  return { order, follower, subscriber, clock, told };
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
    expect(told).toEqual([{ kind: 'completed' }]);
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
});
