import { describe, expect, it } from 'vitest';
import { measureSteps } from '../../../src/cli/doctor/self-check/step-speed.js';
import type { Pipeline } from '../../../src/pipeline.js';

const { signal } = new AbortController();

/** A pipeline whose requests take these milliseconds in the UNet, one after the other. */
function taking(...times: number[]): Pipeline {
  let next = 0;
  return { generate: async () => ({ timings: { unet: times[next++] } }) } as unknown as Pipeline;
}

describe('the speed of a step', () => {
  it('is the median of requests after the first, before and after a minute', async () => {
    const waits: number[] = [];
    const eager = taking(900, 80, 60, 40, 60, 1000);
    const replaying = taking(900, 40, 40, 20, 60, 40, 900, 30, 30, 30, 30, 30);
    const { ok, detail, numbers } = await measureSteps(eager, replaying, signal, async (ms) => void waits.push(ms));
    expect(numbers).toEqual({ eagerMs: 3, replayedMs: 2, replayedLaterMs: 1.5 });
    expect(detail).toBe(
      'eager 3.000 ms, replayed 2.000 ms, replayed after 60 s 1.500 ms; medians of 5 requests of 20 steps',
    );
    expect([ok, waits]).toEqual([true, [60_000]]);
  });

  it('is none where the clock gives none', async () => {
    const timeless = () => taking(...Array(12).fill(0));
    const timed = () => taking(...Array(12).fill(20));
    for (const [eager, replaying, ok] of [
      [timeless(), timeless(), false],
      [timeless(), timed(), false],
      [timed(), timeless(), false],
      [timed(), timed(), true],
    ] as const)
      expect((await measureSteps(eager, replaying, signal, async () => {})).ok).toBe(ok);
  });
});
