import { getEventListeners } from 'node:events';
import { expect, it } from 'vitest';
import { AbortSignals } from '../../../src/pipeline/abort-signals.js';

const listeners = (signal: AbortSignal) => getEventListeners(signal, 'abort').length;

it('gives a signal one listener for all requests, and none when they are over', () => {
  const signals = new AbortSignals();
  const outer = new AbortController();
  const links = Array.from({ length: 20 }, () => signals.link(outer.signal));
  expect(listeners(outer.signal)).toBe(1);
  for (const link of links.slice(1)) link.release();
  expect(listeners(outer.signal)).toBe(1);
  links[0]?.release();
  links[0]?.release();
  expect(listeners(outer.signal)).toBe(0);
});

it('ends the requests of that signal which are not over, with its reason', () => {
  const signals = new AbortSignals();
  const [outer, other] = [new AbortController(), new AbortController()];
  const [first, over, stranger] = [signals.link(outer.signal), signals.link(outer.signal), signals.link(other.signal)];
  over.release();
  outer.abort('enough');
  expect([first.signal.reason, over.signal.aborted, stranger.signal.aborted]).toEqual(['enough', false, false]);
  expect(listeners(outer.signal)).toBe(0);
  first.release();
  expect(() => signals.link(outer.signal)).toThrow('enough');
});

it('ends one request alone from inside', () => {
  const signals = new AbortSignals();
  const outer = new AbortController();
  const [mine, yours] = [signals.link(outer.signal), signals.link(outer.signal)];
  mine.abort('mine');
  expect([mine.signal.reason, yours.signal.aborted, outer.signal.aborted]).toEqual(['mine', false, false]);
});

it('works without a signal', () => {
  const link = new AbortSignals().link(undefined);
  link.abort('now');
  link.release();
  expect(link.signal.reason).toBe('now');
});
