import type { Worker } from 'bullmq';
import { expect, it } from 'vitest';
import { LockKeeper } from '../../../../src/server/redis/lock-keeper.js';
import { FakeClock, settled } from '../../../support/fake-clock.js';

/** The locks of a process, what was renewed of them, and a Redis that answers when it is told to. */
function keeper(lock = 9000) {
  const clock = new FakeClock();
  const renewed: unknown[] = [];
  const redis = { answer: async () => {} };
  const bull = {
    extendJobLocks: async (...args: unknown[]) => {
      renewed.push(args);
      await redis.answer();
    },
  } as unknown as Worker;
  const locks = new LockKeeper(clock, lock);
  return { clock, renewed, redis, locks, keep: (id: string) => locks.keep(bull, id, `token of ${id}`) };
}

const renewal = (id: string, lock = 9000) => [[id], [`token of ${id}`], lock];

it('the locks of orders are renewed three times in the time that they hold', async () => {
  const { clock, renewed, keep } = keeper();
  keep('one');
  await clock.turn(2999);
  expect(renewed).toEqual([]);
  await clock.turn(1);
  expect(renewed).toEqual([renewal('one')]);
  keep('two');
  await clock.turn(3000);
  expect(renewed.slice(1)).toEqual([renewal('one'), renewal('two')]);
});

it('a lock is renewed no more when its order is let go', async () => {
  const { clock, renewed, keep } = keeper();
  const letGo = keep('one');
  keep('two');
  letGo();
  await clock.turn(3000);
  expect(renewed).toEqual([renewal('two')]);
});

it('one that cannot be renewed keeps no other from it, and is tried again', async () => {
  const { clock, renewed, redis, keep } = keeper();
  keep('one');
  keep('two');
  redis.answer = () => Promise.reject(new Error('away'));
  await clock.turn(3000);
  await clock.turn(3000);
  expect(renewed).toEqual([renewal('one'), renewal('two'), renewal('one'), renewal('two')]);
});

it('where Redis is away nothing piles up', async () => {
  const { clock, renewed, redis, keep } = keeper();
  keep('one');
  let isBack = () => {};
  redis.answer = () =>
    new Promise((resolve) => {
      isBack = resolve;
    });
  await clock.turn(3000);
  await clock.turn(3000);
  await clock.turn(3000);
  expect(renewed).toHaveLength(1);
  isBack();
  await settled();
  await clock.turn(3000);
  expect(renewed).toHaveLength(2);
});

it('nothing is renewed after the end', async () => {
  const { clock, renewed, locks, keep } = keeper();
  keep('one');
  locks.close();
  await clock.turn(9000);
  expect([renewed, clock.pending]).toEqual([[], 0]);
});
