import { expect, it } from 'vitest';
import { cappedThreads } from '../../../src/pipeline/threads.js';

it('uses no more threads than there are processors, and says so', () => {
  expect(cappedThreads(512, 2)).toEqual({
    threads: 2,
    warnings: [{ code: 'THREADS_CAPPED', message: 'threads: 512 are more than the 2 processors here, so 2 are used' }],
  });
  expect(cappedThreads(2, 2)).toEqual({ threads: 2, warnings: [] });
  expect(cappedThreads(undefined, 2)).toEqual({ threads: undefined, warnings: [] });
});
