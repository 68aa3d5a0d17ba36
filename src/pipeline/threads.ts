import { availableParallelism } from 'node:os';
import type { Warning } from './warnings.js';

/** At most as many threads as there are processors: more only wait for each other, and take long to start. */
export function cappedThreads(
  wanted: number | undefined,
  processors: number = availableParallelism(),
): { threads: number | undefined; warnings: Warning[] } {
  if (wanted === undefined || wanted <= processors) return { threads: wanted, warnings: [] };
  const message = `threads: ${wanted} are more than the ${processors} processors here, so ${processors} are used`;
  return { threads: processors, warnings: [{ code: 'THREADS_CAPPED', message }] };
}
