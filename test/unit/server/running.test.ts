import { afterEach, describe, expect, it, vi } from 'vitest';
import { systemClock } from '../../../src/server/queue/clock.js';
import { Running } from '../../../src/server/queue/running.js';

/** The parts of a process; each notes what it is asked, and drains when the test says so. */
function partsOf() {
  const calls: string[] = [];
  const ends: Record<string, () => void> = {};
  const part = (name: string) => ({
    drain: () =>
      new Promise<void>((resolve) => {
        calls.push(`drain ${name}`);
        ends[name] = resolve;
      }),
    close: async () => {
      calls.push(`close ${name}`);
      ends[name]?.();
    },
  });
  return { calls, ends, queue: part('queue'), worker: part('worker'), pool: part('pool') };
}

const moment = () => vi.advanceTimersByTimeAsync(0);

describe('the end of a process that serves', () => {
  afterEach(() => vi.useRealTimers());

  it('comes for its queue first, then for what draws for it, and ends nothing that is done in time', async () => {
    vi.useFakeTimers();
    const { calls, ends, queue, worker, pool } = partsOf();
    const drained = new Running(queue, worker, pool).drain(1000);
    await moment();
    expect(calls).toEqual(['drain queue']);
    ends.queue?.();
    await moment();
    expect(calls).toEqual(['drain queue', 'drain worker']);
    ends.worker?.();
    await expect(drained).resolves.toBe(true);
    expect(calls).toEqual(['drain queue', 'drain worker']);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('comes at the end of the time for what is not done', async () => {
    vi.useFakeTimers();
    const { calls, queue, worker, pool } = partsOf();
    const drained = new Running(queue, worker, pool).drain(1000);
    await vi.advanceTimersByTimeAsync(999);
    expect(calls).toEqual(['drain queue']);
    await vi.advanceTimersByTimeAsync(1);
    await expect(drained).resolves.toBe(false);
    expect(calls.filter((call) => call.startsWith('close'))).toEqual(['close queue', 'close worker']);
  });

  it.each([Number.POSITIVE_INFINITY, 2 ** 31])('is waited for, however long the time: %d ms', async (timeout) => {
    vi.useFakeTimers();
    const { ends, queue, pool } = partsOf();
    const drained = new Running(queue, null, pool).drain(timeout);
    await vi.advanceTimersByTimeAsync(3_600_000);
    ends.queue?.();
    await expect(drained).resolves.toBe(true);
  });

  it.each([undefined, Number.NaN, -1, '25s'])('is not taken for now where the time is none: %s', async (timeout) => {
    const { calls, queue, worker, pool } = partsOf();
    const drained = new Running(queue, worker, pool).drain(timeout as number);
    await expect(drained).rejects.toMatchObject({ code: 'OPTION_INVALID', issues: [{ option: 'timeout' }] });
    expect(calls).toEqual([]);
  });

  it.each([
    ['serves alone', true, false, ['close queue', 'close pool']],
    ['draws alone', false, true, ['close worker', 'close pool']],
    ['serves and draws', true, true, ['close queue', 'close worker', 'close pool']],
  ])('closes what there is, once, where it %s', async (_, serves, draws, expected) => {
    const { calls, queue, worker, pool } = partsOf();
    const running = new Running(serves ? queue : null, draws ? worker : null, pool);
    await Promise.all([running.close(), running.close()]);
    expect(calls).toEqual(expected);
  });

  it.each([
    ['queue', true, false],
    ['worker', false, true],
  ])('waits for a %s alone where there is nothing else', async (name, serves, draws) => {
    const { ends, queue, worker, pool } = partsOf();
    const drained = new Running(serves ? queue : null, draws ? worker : null, pool).drain(60_000);
    await new Promise(setImmediate);
    ends[name]?.();
    await expect(drained).resolves.toBe(true);
  });

  it('ends a drain that runs', async () => {
    const { queue, worker, pool } = partsOf();
    const running = new Running(queue, null, pool);
    const drained = running.drain(60_000);
    await running.close();
    await expect(drained).resolves.toBe(true);
    void worker;
  });
});

describe("the system's clock", () => {
  afterEach(() => vi.useRealTimers());

  it('calls once when the time is over, and not at all where that is taken back', () => {
    vi.useFakeTimers();
    const [call, forgotten] = [vi.fn(), vi.fn()];
    systemClock.after(50, call);
    const forget = systemClock.after(50, forgotten);
    vi.advanceTimersByTime(49);
    expect(call).not.toHaveBeenCalled();
    forget();
    vi.advanceTimersByTime(1000);
    expect(call).toHaveBeenCalledTimes(1);
    expect(forgotten).not.toHaveBeenCalled();
  });

  it('never goes back', () => {
    const times = Array.from({ length: 100 }, () => systemClock.now());
    expect(times).toEqual([...times].sort((a, b) => a - b));
  });
});
