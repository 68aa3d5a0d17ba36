import { expect, it } from 'vitest';
import { Backoff } from '../../../src/backends/process/backoff.js';

it('waits longer with every failure in a row, at most 30 s, and not before the first restart', () => {
  const backoff = new Backoff();
  const delays = Array.from({ length: 10 }, () => {
    backoff.failed();
    return backoff.delay;
  });
  expect(delays).toEqual([0, 250, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
  backoff.succeeded();
  backoff.failed();
  expect(backoff.delay).toBe(0);
});

it('ends a wait when nobody waits any more', async () => {
  const backoff = new Backoff();
  for (let i = 0; i < 9; i++) backoff.failed();
  const controller = new AbortController();
  const waiting = backoff.wait(controller.signal);
  controller.abort();
  await waiting;
});
