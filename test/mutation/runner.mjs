import { writeFileSync } from 'node:fs';
import { relative } from 'node:path';
import { strykerPlugins as vitestPlugins } from '@stryker-mutator/vitest-runner';
import { KeptThread } from './kept-thread.mjs';

/** The project of vitest-config.ts whose files share their modules. */
const SHARED = 'shared';
/** No mutant has this number. */
const NO_MUTANT = 'none';
/** Milliseconds that a mutant's tests may take, before Stryker ends the whole runner, besides what they took without it. */
export const LAST_RESORT = 300_000;
/** Milliseconds of one test, and of all that a mutant needs besides what they took without it. */
const SHORT = { test: 5_000, run: 10_000 };
const PATIENT = 120_000;
/** A mutant hangs where the same tests without it take less than this part of the limit. */
const FAST = 1 / 4;

/** @typedef {{ test: number, run: number }} Limits */

/**
 * Stryker's runner for vitest, with a thread that stays. Neither what a mutant leaves behind there nor a busy machine may decide about a
 * mutant, so that most verdicts are asked for again: what noticed it has to pass without it, and fast where it only hung; what nothing
 * noticed, or ended in an error, runs in a new thread.
 */
export class KeptRunner {
  #inner;
  #pool;

  /** @param inner Stryker's own */
  constructor(inner, pool = new KeptThread()) {
    this.#inner = inner;
    this.#pool = pool;
  }

  capabilities() {
    return this.#inner.capabilities();
  }

  async init() {
    await this.#inner.init();
    for (const { name, config } of this.#inner.ctx.projects) {
      if (name !== SHARED) continue;
      config.pool = this.#pool.name;
      config.poolRunner = this.#pool;
    }
  }

  async dryRun(options) {
    this.#limitTests(PATIENT);
    const result = await this.#inner.dryRun(options);
    writeTimes(result.tests ?? []);
    return result;
  }

  async mutantRun(options) {
    const expected = options.timeout - LAST_RESORT;
    const limits = { test: SHORT.test, run: SHORT.run + expected };
    const { started, runs } = this.#pool;
    const result = await this.#run(options, limits);
    const fresh = this.#pool.started > started || this.#pool.runs === runs;
    const hung = hungFor(result, limits);
    if (fresh && hung === null) return result;
    const noticed = result.status === 'killed' || result.status === 'timeout';
    const without = noticed ? await this.#runWithout(options, result.killedBy ?? options.testFilter, limits) : null;
    if (without?.passed && (hung === null || without.took < FAST * hung)) return result;
    await this.#pool.end();
    const longer = without === null ? PATIENT : without.took / FAST;
    return this.#run(options, { test: Math.max(limits.test, longer), run: Math.max(limits.run, longer) });
  }

  /** Whether the tests pass without the mutant, and the milliseconds that they take. @param {Limits} limits */
  async #runWithout(options, testFilter, limits) {
    const start = performance.now();
    const activeMutant = { ...options.activeMutant, id: NO_MUTANT };
    const { status } = await this.#run({ ...options, activeMutant, testFilter }, limits);
    return { passed: status === 'survived', took: performance.now() - start };
  }

  /** @param {Limits} limits */
  async #run(options, limits) {
    this.#limitTests(limits.test);
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      void this.#pool.end();
    }, limits.run);
    const result = await this.#inner.mutantRun(options);
    clearTimeout(timer);
    return late && result.status === 'error'
      ? { status: 'timeout', reason: `the tests did not end in ${limits.run} ms` }
      : result;
  }

  #limitTests(limit) {
    for (const { config } of this.#inner.ctx.projects) {
      config.testTimeout = limit;
      config.hookTimeout = limit;
    }
  }

  async dispose() {
    await this.#inner.dispose();
    await this.#pool.end();
  }
}

/** For quickest-first.ts, in every runner. @param {{ fileName?: string, timeSpentMs: number }[]} tests */
function writeTimes(tests) {
  const times = {};
  for (const { fileName, timeSpentMs } of tests) {
    const file = relative(process.cwd(), fileName);
    times[file] = (times[file] ?? 0) + timeSpentMs;
  }
  writeFileSync(process.env.T2I_MUTATION_TIMES, JSON.stringify(times));
}

/** Milliseconds after which a test, or all of them, counted as hung; null where none did. @param {Limits} limits */
function hungFor({ status, failureMessage }, limits) {
  if (status === 'timeout') return limits.run;
  return /timed out in \d+ms/.test(failureMessage) ? limits.test : null;
}

const [{ factory }] = vitestPlugins;
const create = (injector) => new KeptRunner(injector.injectFunction(factory));
create.inject = ['$injector'];

export const strykerPlugins = [{ kind: 'TestRunner', name: 'kept', factory: create }];
