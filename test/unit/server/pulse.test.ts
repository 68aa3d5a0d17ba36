import { afterEach, describe, expect, it, vi } from 'vitest';
import { Pulse, statusOf } from '../../../src/server/admin/pulse.js';

const SECOND = 1_000_000_000n;

describe('the pulse of a server', () => {
  afterEach(() => vi.useRealTimers());

  it('is told to whoever has its memory, and 30 s long after the last beat', () => {
    const pulse = new Pulse();
    const read = new Pulse(pulse.memory);
    pulse.beat();
    const now = process.hrtime.bigint();
    expect(read.life()).toBe('ok');
    expect(read.life(now + 29n * SECOND)).toBe('ok');
    expect(read.life(now + 31n * SECOND)).toBe('stuck');
    expect([statusOf('ok'), statusOf('stuck'), statusOf('broken')]).toEqual([200, 503, 503]);
  });

  it('is taken for silent after more than 30 s, and not before', () => {
    vi.useFakeTimers({ toFake: ['hrtime'] });
    const pulse = new Pulse();
    pulse.beat();
    const now = process.hrtime.bigint();
    expect([pulse.life(now + 30n * SECOND), pulse.life(now + 30n * SECOND + 1n)]).toEqual(['ok', 'stuck']);
  });

  it('beats until it is told to end', () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'hrtime'] });
    const pulse = new Pulse();
    const stop = pulse.start();
    expect(pulse.life()).toBe('ok');
    vi.advanceTimersByTime(60_000);
    expect(pulse.life()).toBe('ok');
    stop();
    vi.advanceTimersByTime(31_000);
    expect(pulse.life()).toBe('stuck');
  });

  it('is broken for good', () => {
    const pulse = new Pulse();
    pulse.break();
    pulse.beat();
    expect(new Pulse(pulse.memory).life()).toBe('broken');
  });
});
