import { expect, it } from 'vitest';
import { Backoff } from '../../../../src/backends/process/backoff.js';
import { ManualClock } from './manual-clock.js';

it('waits longer with every crash in a row, at most 5 s, and not before the first restart', () => {
  const backoff = new Backoff(new ManualClock());
  const delays = Array.from({ length: 9 }, () => {
    backoff.crashed();
    return backoff.remaining;
  });
  expect(delays).toEqual([0, 250, 500, 1000, 2000, 4000, 5000, 5000, 5000]);
});

it('waits as after the first crash again once something succeeded', () => {
  const backoff = new Backoff(new ManualClock());
  for (let i = 0; i < 4; i++) backoff.crashed();
  backoff.succeeded();
  const delays = [1, 2].map(() => {
    backoff.crashed();
    return backoff.remaining;
  });
  expect(delays).toEqual([0, 250]);
});

it('counts the wait from the crash: it passes whoever waits', async () => {
  const clock = new ManualClock();
  const backoff = new Backoff(clock);
  for (let i = 0; i < 4; i++) backoff.crashed();
  clock.advance(400);
  expect(backoff.remaining).toBe(600);
  await backoff.wait(new AbortController().signal);
  await backoff.wait(new AbortController().signal);
  expect(clock.slept).toEqual([600]);
});

it('ends a wait by the system’s clock when nobody waits any more', async () => {
  const backoff = new Backoff();
  for (let i = 0; i < 9; i++) backoff.crashed();
  const controller = new AbortController();
  const waiting = backoff.wait(controller.signal);
  controller.abort();
  await waiting;
  expect(backoff.remaining).toBeGreaterThan(0);
});
