import { monitorEventLoopDelay } from 'node:perf_hooks';

/** Milliseconds between two looks at the event loop. */
const RESOLUTION = 1;

/**
 * Runs `work` and says how late this process's event loop was meanwhile.
 *
 * @returns what `work` resolved to, and in milliseconds the delay that 99 of 100 timers stayed below
 */
export async function withEventLoopDelay<T>(work: () => Promise<T>): Promise<{ result: T; delayMs: number }> {
  const histogram = monitorEventLoopDelay({ resolution: RESOLUTION });
  histogram.enable();
  try {
    const result = await work();
    // The histogram holds the time from one look to the next, the wanted pause included.
    return { result, delayMs: Math.max(0, histogram.percentile(99) / 1e6 - RESOLUTION) };
  } finally {
    histogram.disable();
  }
}
