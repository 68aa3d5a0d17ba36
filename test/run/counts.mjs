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
 * @typedef {{ name: string, state: 'passed' | 'failed' | 'skipped' | 'pending', reason?: string }} VitestTest
 * @typedef {{ file: string, seconds: number, broken: boolean, tests: VitestTest[] }} VitestFile
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
  const tests = files.flatMap((file) => file.tests);
  const failed = ({ state }) => state === 'failed';
  const broken = files.filter((file) => file.broken && !file.tests.some(failed));
  return {
    passed: tests.filter(({ state }) => state === 'passed').length,
    failed: tests.filter(failed).length + broken.length,
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
 * Reads the counts out of pytest's JUnit report.
 *
 * @param {string} xml
 * @returns {Counts}
 */
export function pytestCounts(xml) {
  const suite = /<testsuite\s[^>]*>/.exec(xml)?.[0] ?? '';
  const number = (name) => Number(new RegExp(`\\b${name}="(\\d+)"`).exec(suite)?.[1] ?? 0);
  const failed = number('failures') + number('errors');
  const names = [...xml.matchAll(/<testcase\b[^>]*\bname="([^"]*)"[^>]*>\s*<skipped\b[^>]*\bmessage="([^"]*)"/g)];
  const skipped = Array.from({ length: number('skipped') }, (_, i) => {
    const [, name = 'a test', reason] = names[i] ?? [];
    return { name, reason };
  });
  return { passed: number('tests') - failed - skipped.length, failed, skipped };
}

/**
 * Reads the counts out of GoogleTest's XML report.
 *
 * @param {string} xml
 * @returns {Counts}
 */
export function googleTestCounts(xml) {
  const cases = xml
    .split('<testcase ')
    .slice(1)
    .map((text) => ({
      name: /\bname="([^"]*)"/.exec(text)?.[1],
      suite: /\bclassname="([^"]*)"/.exec(text)?.[1],
      skipped: /\bresult="(skipped|suppressed)"/.test(text),
      reason: /<skipped message="([^"]*)"/.exec(text)?.[1],
      failed: text.includes('<failure '),
    }));
  const failed = cases.filter((test) => test.failed).length;
  const skipped = cases.filter((test) => test.skipped && !test.failed);
  return {
    passed: cases.length - failed - skipped.length,
    failed,
    skipped: skipped.map(({ suite, name, reason }) => ({ name: `${suite}.${name}`, reason })),
  };
}
