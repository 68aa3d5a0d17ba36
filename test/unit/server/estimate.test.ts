import { describe, expect, it } from 'vitest';
import { parseRequest, type RequestOptions } from '../../../src/options.js';
import { Estimate, workOf } from '../../../src/server/queue/estimate.js';
import { queueFull, tooLate } from '../../../src/server/queue/queue-refusals.js';
import { LIMITS } from '../../support/request-limits.js';

const workOfOptions = (options: Partial<RequestOptions>) =>
  workOf(
    parseRequest({ prompt: 'x', seed: 1, steps: 10, width: 64, height: 32, guidanceScale: 1, ...options }, LIMITS),
  );

describe('the work of a request', () => {
  it.each<[string, Partial<RequestOptions>, number]>([
    ['its images', { n: 3 }, 3],
    ['its steps', { steps: 40 }, 4],
    ['its width', { width: 128 }, 2],
    ['its height', { height: 96 }, 3],
    ['guidance, which draws twice', { guidanceScale: 7.5 }, 2],
  ])('grows with %s', (_, options, times) => {
    expect(workOfOptions(options) / workOfOptions({})).toBe(times);
  });
});

describe('the estimate', () => {
  it('is nothing before the first request of a model, then what that took, for the work asked', () => {
    const estimate = new Estimate();
    expect(estimate.of('a', 10)).toBeNull();
    estimate.learn('a', 10, 500);
    expect([estimate.of('a', 10), estimate.of('a', 20), estimate.of('b', 10)]).toEqual([500, 1000, null]);
  });

  it('follows what requests take, and is not thrown off by one of them', () => {
    const estimate = new Estimate();
    estimate.learn('a', 1, 100);
    estimate.learn('a', 1, 200);
    expect(estimate.of('a', 1)).toBeCloseTo(130, 9);
    for (let time = 0; time < 30; time++) estimate.learn('a', 1, 200);
    expect(estimate.of('a', 1)).toBeCloseTo(200, 1);
    for (let time = 0; time < 30; time++) estimate.learn('a', 1, 50);
    expect(estimate.of('a', 1)).toBeCloseTo(50, 1);
  });
});

describe('a refusal of the queue', () => {
  it('says how many places there are, and whose', () => {
    expect(queueFull(1, 'all', null).message).toMatch(/queue is full.* 1 place$/);
    expect(queueFull(64, 'all', null).message).toMatch(/queue is full.* 64 places$/);
    expect(queueFull(1, 'a key', null).message).toMatch(/key .*1 place\b(?!s)/);
    expect(queueFull(2, 'a key', null).message).toMatch(/key .*2 places/);
    expect(queueFull(2, 'a key', 4001)).toMatchObject({ status: 429, code: 'queue_full', retryAfter: 5 });
    expect(queueFull(2, 'all', null)).toMatchObject({ retryAfter: 1, hint: expect.stringContaining('Retry-After') });
  });

  it('says the time that a request had in seconds', () => {
    expect(tooLate(2500)).toMatchObject({ status: 504, message: expect.stringContaining('2.5 s') });
  });
});
