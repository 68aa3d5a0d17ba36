import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { KeptRunner, LAST_RESORT } from '../../mutation/runner.mjs';

type Result = { status: string; killedBy?: string[]; failureMessage?: string };
type Run = { testFilter: string[]; activeMutant: { id: string } };

/** What the runs end with, in order; each run is noted. */
let results: Result[];
let runs: Run[];
/** Threads that were started, runs that were in them, and whether there is one. */
let pool: { started: number; runs: number; alive: boolean; end(): Promise<void> };
/** Milliseconds that each run takes. */
let took: number;
/** Whether the tests run in the thread that stays. */
let kept: boolean;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance'] });
  [results, runs, took, kept] = [[], [], 0, true];
  pool = {
    started: 1,
    runs: 0,
    alive: true,
    async end() {
      this.alive = false;
    },
  };
});
afterEach(() => void vi.useRealTimers());

const inner = {
  ctx: { projects: [] },
  mutantRun: async (run: Run) => {
    runs.push(run);
    if (kept) {
      pool.runs++;
      if (!pool.alive) pool.started++;
      pool.alive = true;
    }
    vi.advanceTimersByTime(took);
    return results.shift();
  },
};
const run = () =>
  new KeptRunner(inner, pool as never).mutantRun({
    timeout: LAST_RESORT,
    testFilter: ['a', 'b'],
    activeMutant: { id: '7' },
  });
const KILLED: Result = { status: 'killed', killedBy: ['b'], failureMessage: 'expected 1 to be 2' };
const HUNG: Result = { status: 'killed', killedBy: ['b'], failureMessage: 'Test timed out in 5000ms.' };
const SURVIVED: Result = { status: 'survived' };
const mutants = () => runs.map(({ activeMutant, testFilter }) => `${activeMutant.id} ${testFilter.join()}`);

describe('a mutant in a thread that ran others before', () => {
  it('is noticed where the test that failed passes without it', async () => {
    results = [KILLED, SURVIVED];
    expect(await run()).toBe(KILLED);
    expect(mutants()).toEqual(['7 a,b', 'none b']);
    expect(pool.alive).toBe(true);
  });

  it('runs in a new thread where that test fails without it too', async () => {
    results = [KILLED, KILLED, SURVIVED];
    expect(await run()).toBe(SURVIVED);
    expect(mutants()).toEqual(['7 a,b', 'none b', '7 a,b']);
    expect(pool.started).toBe(2);
  });

  it.each([SURVIVED, { status: 'error' }])('runs in a new thread where it ended as %j', async (result) => {
    results = [result, KILLED];
    expect(await run()).toBe(KILLED);
    expect(mutants()).toEqual(['7 a,b', '7 a,b']);
    expect(pool.started).toBe(2);
  });
});

describe('a mutant with which a test hangs', () => {
  it.each([HUNG, { status: 'timeout' }])('is noticed where the tests are fast without it: %j', async (result) => {
    results = [result, SURVIVED];
    took = 1000;
    expect(await run()).toBe(result);
    expect(mutants()[1]).toBe(result === HUNG ? 'none b' : 'none a,b');
  });

  it('runs once more where they are slow without it: the machine is busy', async () => {
    results = [HUNG, SURVIVED, SURVIVED];
    took = 2000;
    expect(await run()).toBe(SURVIVED);
    expect(pool.started).toBe(2);
  });
});

describe('a mutant in a new thread', () => {
  it.each([KILLED, SURVIVED, { status: 'error' }])('is believed: %j', async (result) => {
    pool.alive = false;
    results = [result];
    expect(await run()).toBe(result);
  });

  it('is believed too where its tests run in threads of their own', async () => {
    kept = false;
    results = [KILLED];
    expect(await run()).toBe(KILLED);
  });

  it('is not believed where a test only hung', async () => {
    pool.alive = false;
    results = [HUNG, SURVIVED, SURVIVED];
    took = 2000;
    expect(await run()).toBe(SURVIVED);
  });
});
