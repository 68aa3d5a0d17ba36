import { describe, expect, it } from 'vitest';
import { HttpError } from '../../../src/http/http-error.js';
import { type RetryOptions, readRetryAfter, withRetry } from '../../../src/http/retry.js';

const busy = (retryAfter?: number) =>
  new HttpError('NETWORK_FAILED', 'busy', { status: 503, again: 'where idempotent', retryAfter });

/** The waits between tries of something that fails so often, one error after the other, and then succeeds. */
async function waitsOf(errors: readonly unknown[], options: Partial<RetryOptions> = {}): Promise<number[]> {
  const [left, waits]: [unknown[], number[]] = [[...errors], []];
  const wait = async (milliseconds: number) => void waits.push(milliseconds);
  const work = async () => {
    if (left.length > 0) throw left.shift();
    return 'done';
  };
  expect(await withRetry(work, { idempotent: true, wait, random: () => 1, ...options })).toBe('done');
  return waits;
}

describe('tries', () => {
  it('are apart by up to twice as long each, and 30 s at most', async () => {
    const twelve = Array.from({ length: 8 }, () => busy());
    expect(await waitsOf(twelve, { attempts: 9 })).toEqual([500, 1000, 2000, 4000, 8000, 16000, 30000, 30000]);
    expect(await waitsOf([busy(), busy()], { random: () => 0.5 })).toEqual([250, 500]);
  });

  it('wait as long as they are asked, up to two minutes', async () => {
    expect(await waitsOf([busy(120_000), busy(0)])).toEqual([120_000, 0]);
    await expect(waitsOf([busy(120_001)])).rejects.toMatchObject({ message: 'busy' });
  });

  it('are counted anew where the work came on', async () => {
    let reached = 0;
    const progress = () => ++reached;
    expect(await waitsOf([busy(), busy(), busy()], { attempts: 2, progress })).toEqual([500, 500, 500]);
    await expect(waitsOf([busy(), busy()], { attempts: 2, progress: () => 7 })).rejects.toMatchObject({ status: 503 });
  });

  it('are not repeated after what no server said', async () => {
    const mistake = new TypeError('a mistake');
    await expect(waitsOf([mistake])).rejects.toBe(mistake);
  });

  it('end with the reason of the signal, without another', async () => {
    const control = new AbortController();
    let tries = 0;
    const work = async () => {
      tries++;
      control.abort('stop');
      throw busy();
    };
    await expect(withRetry(work, { idempotent: true, signal: control.signal })).rejects.toBe('stop');
    await expect(withRetry(work, { idempotent: true, signal: control.signal })).rejects.toBe('stop');
    expect(tries).toBe(1);
  });

  it('wait by themselves, and not beyond an abort', async () => {
    const control = new AbortController();
    const work = async () => {
      setImmediate(() => control.abort('stop'));
      throw busy(100_000);
    };
    await expect(withRetry(work, { idempotent: true, signal: control.signal })).rejects.toBe('stop');
  });
});

it.each([
  ['7', 7000],
  [' 12 ', 12_000],
  ['0', 0],
  ['Thu, 01 Jan 1970 00:01:40 GMT', 60_000],
  ['Thu, 01 Jan 1970 00:00:10 GMT', 0],
  ['soon', undefined],
  ['7 minutes', undefined],
  ['in 7', undefined],
  ['1.5', undefined],
  ['-1', undefined],
  ['Sunday', undefined],
  [' thursday, 01-Jan-70 00:01:40 GMT', 60_000],
  ['', undefined],
  [null, undefined],
])('a Retry-After of %j is a wait of %j ms', (header, expected) => {
  expect(readRetryAfter(header, 40_000)).toBe(expected);
});
