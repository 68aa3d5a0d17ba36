import type { Issue } from '../../errors.js';
import type { LimitOptions } from '../../server/http/limits.js';
import type { CommandInput, Flag } from '../command.js';
import { toNumber } from '../load-flags.js';
import { parseDuration } from '../quantities.js';
import { flagReader, TIMES } from './model-flags.js';

/** Flags for what one request may ask for. */
export const LIMIT_FLAGS: readonly Flag[] = [
  { flags: '--max-images <n>', description: 'images of one request (default: 10)', sets: ['limits.images'] },
  { flags: '--max-side <pixels>', description: 'longest side of an image (default: 2048)', sets: ['limits.side'] },
  { flags: '--max-steps <n>', description: 'steps of an image (default: 200)', sets: ['limits.steps'] },
  {
    flags: '--timeout <time>',
    description: 'from a request to its last image, for example 30s or 10min (default: 10min)',
    sets: ['limits.timeout'],
  },
];

/** Adds what is wrong to `issues`. */
export function readLimitFlags(flags: CommandInput['flags'], issues: Issue[]): LimitOptions {
  const count = (value: unknown) => toNumber(value) as number | undefined;
  return {
    images: count(flags.maxImages),
    side: count(flags.maxSide),
    steps: count(flags.maxSteps),
    timeout: flagReader(flags, issues)('--timeout', 'timeout', parseDuration, TIMES),
  };
}
