import { quantile } from '../../../bench/statistics.js';
import type { Pipeline } from '../../../pipeline.js';
import type { Finding } from './check.js';
import { REQUEST } from './image-check.js';

const STEPS = 20;
/** Requests that are timed, after one that is not. */
const REQUESTS = 5;
/** Milliseconds: what a runtime compiles in the background, or a driver's clocks, may have changed by then. */
const PAUSE = 60_000;

/**
 * Times a step of the denoiser on the GPU: queued by itself, replayed from a captured graph, and replayed once more after a minute.
 *
 * @param eager queues each step by itself
 * @param replaying replays captured steps
 * @param sleep waits so many milliseconds
 */
export async function measureSteps(
  eager: Pipeline,
  replaying: Pipeline,
  signal: AbortSignal,
  sleep: (milliseconds: number) => Promise<void>,
): Promise<Finding> {
  const eagerMs = await stepOf(eager, signal);
  const replayedMs = await stepOf(replaying, signal);
  await sleep(PAUSE);
  const replayedLaterMs = await stepOf(replaying, signal);
  const [first, second, later] = [eagerMs, replayedMs, replayedLaterMs].map((ms) => `${ms.toFixed(3)} ms`);
  const detail = `eager ${first}, replayed ${second}, replayed after ${PAUSE / 1000} s ${later}; medians of ${REQUESTS} requests of ${STEPS} steps`;
  const numbers = { eagerMs, replayedMs, replayedLaterMs };
  return { ok: Object.values(numbers).every((ms) => ms > 0), detail, numbers };
}

/** Milliseconds of a step, by the GPU's clock. */
async function stepOf(pipeline: Pipeline, signal: AbortSignal): Promise<number> {
  const times: number[] = [];
  for (let request = 0; request <= REQUESTS; request++) {
    const { timings } = await pipeline.generate({ ...REQUEST, steps: STEPS, signal });
    if (request > 0) times.push(timings.unet / STEPS);
  }
  return quantile(times, 0.5);
}
