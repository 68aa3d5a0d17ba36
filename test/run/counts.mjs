/** @import { Counts } from './run-steps.mjs' */

/**
 * Reads the counts out of vitest's JSON report. A file that could not even be loaded counts as one failure.
 *
 * @param {string} json
 * @returns {Counts}
 */
export function vitestCounts(json) {
  const report = JSON.parse(json);
  const tests = report.testResults.flatMap((file) => file.assertionResults);
  const broken = report.testResults.filter((file) => file.status === 'failed' && file.assertionResults.length === 0);
  const skipped = tests.filter(({ status }) => status !== 'passed' && status !== 'failed');
  return {
    passed: tests.filter(({ status }) => status === 'passed').length,
    failed: tests.filter(({ status }) => status === 'failed').length + broken.length,
    skipped: skipped.length,
    skippedNames: skipped.map(({ fullName }) => fullName),
  };
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
  return {
    passed: number('tests') - failed - number('skipped'),
    failed,
    skipped: number('skipped'),
    skippedNames: names.map(([, name, message]) => `${name}: ${message}`),
  };
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
      failed: text.includes('<failure '),
    }));
  const failed = cases.filter((test) => test.failed).length;
  const skipped = cases.filter((test) => test.skipped && !test.failed);
  return {
    passed: cases.length - failed - skipped.length,
    failed,
    skipped: skipped.length,
    skippedNames: skipped.map(({ suite, name }) => `${suite}.${name}`),
  };
}
