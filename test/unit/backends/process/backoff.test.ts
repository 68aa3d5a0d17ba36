import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Backoff } from '../../../src/backends/process/backoff.js';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

it('waits longer with every crash in a row, at most 5 s, and not before the first restart', () => {
  const backoff = new Backoff();
  const delays = Array.from({ length: 9 }, () => {
    backoff.crashed();
    return backoff.remaining;
  });
  expect(delays).toEqual([0, 250, 500, 1000, 2000, 4000, 5000, 5000, 5000]);
  backoff.succeeded();
  backoff.crashed();
  expect(backoff.remaining).toBe(0);
});

it('counts the wait from the crash: it passes whoever waits', () => {
  const backoff = new Backoff();
  for (let i = 0; i < 4; i++) backoff.crashed();
  vi.advanceTimersByTime(400);
  expect(backoff.remaining).toBe(600);
  vi.advanceTimersByTime(700);
  expect(backoff.remaining).toBe(0);
});

it('ends a wait when nobody waits any more', async () => {
  const backoff = new Backoff();
  for (let i = 0; i < 9; i++) backoff.crashed();
  const controller = new AbortController();
  const waiting = backoff.wait(controller.signal);
  controller.abort();
  await waiting;
  expect(backoff.remaining).toBe(5000);
});
