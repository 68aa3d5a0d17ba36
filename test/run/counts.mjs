import { existsSync, readFileSync } from 'node:fs';

/** @import { Counts } from './run-steps.mjs' */

/**
 * The counts in a report; none where there is no report, since the run ended before it could count: then the step's own failure stands.
 *
 * @param {string} path
 * @param {(text: string) => Counts} parse one of those below
 * @returns {Counts | undefined}
 */
export function readCounts(path, parse) {
  return existsSync(path) ? parse(readFileSync(path, 'utf8')) : undefined;
}

/**
 * @typedef {{ name: string, state: 'passed' | 'failed' | 'skipped' | 'pending', message?: string, reason?: string }} VitestTest
 * @typedef {{ file: string, seconds: number, broken: boolean, message?: string, tests: VitestTest[] }} VitestFile
 */

/**
 * Reads the counts out of what vitest-reporter.mjs wrote, with the time of each folder of tests and of the slowest files. A file that
 * failed without a failed test, as one does that could not even be loaded, counts as one failure.
 *
 * @param {string} json
 * @returns {Counts}
 */
export function vitestCounts(json) {
  /** @type {VitestFile[]} */
  const files = JSON.parse(json);
  const tests = files.flatMap(({ file, tests }) => tests.map((test) => ({ file, ...test })));
  const failed = ({ state }) => state === 'failed';
  const broken = files.filter((file) => file.broken && !file.tests.some(failed));
  return {
    passed: tests.filter(({ state }) => state === 'passed').length,
    failed: [
      ...tests.filter(failed).map(({ file, name, message }) => ({ name: `${file}: ${name}`, message })),
      ...broken.map(({ file, message }) => ({ name: file, message })),
    ],
    skipped: tests
      .filter(({ state }) => state === 'skipped' || state === 'pending')
      .map(({ name, reason }) => ({ name, reason })),
    parts: [
      ...byFolder(files),
      ...files
        .toSorted((a, b) => b.seconds - a.seconds)
        .slice(0, SLOWEST)
        .map(part),
    ],
  };
}

const SLOWEST = 10;
const part = ({ file, seconds }) => ({ name: file, seconds });

/** Seconds of each folder of test/, the longest first; files run side by side, so that they add up to more than the whole took. */
function byFolder(files) {
  const sums = new Map();
  for (const { file, seconds } of files) {
    const folder = `${file.split('/').slice(0, -1).slice(0, 2).join('/')}/`;
    sums.set(folder, (sums.get(folder) ?? 0) + seconds);
  }
  return [...sums].map(([name, seconds]) => ({ name, seconds })).sort((a, b) => b.seconds - a.seconds);
}

/**
 * Reads the counts out of a report in JUnit's format, as pytest and GoogleTest write it.
 *
 * @param {string} xml
 * @returns {Counts}
 */
export function junitCounts(xml) {
  const cases = xml
    .split('<testcase ')
    .slice(1)
    .map((text) => ({
      name: [attribute(text, 'classname'), attribute(text, 'name')].join('.'),
      failure: /<(failure|error)\b[^>]*>/.exec(text)?.[0],
      // GoogleTest has no element for a test that is disabled.
      skipped: (/<skipped\b[^>]*>/.exec(text) ?? /\bresult="suppressed"/.exec(text))?.[0],
    }));
  const failed = cases.filter(({ failure }) => failure !== undefined);
  const skipped = cases.filter((test) => test.failure === undefined && test.skipped !== undefined);
  return {
    passed: cases.length - failed.length - skipped.length,
    failed: failed.map(({ name, failure = '' }) => ({ name, message: attribute(failure, 'message') })),
    skipped: skipped.map(({ name, skipped = '' }) => ({ name, reason: attribute(skipped, 'message') })),
  };
}

/** The value of an attribute, the first of its name in a text. */
function attribute(text, name) {
  const value = new RegExp(`(?:^|\\s)${name}="([^"]*)"`).exec(text)?.[1];
  return value?.replace(/&(?:#x([0-9a-f]+)|#(\d+)|(\w+));/gi, (entity, hex, decimal, word) =>
    word ? (ENTITIES[word] ?? entity) : String.fromCodePoint(hex ? Number.parseInt(hex, 16) : Number(decimal)),
  );
}

const ENTITIES = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" };
