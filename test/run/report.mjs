/** @import { SkippedTest, StepResult } from './run-steps.mjs' */

/** Why a test may be skipped though everything is required: what no installed tool would change. */
const MAY_BE_SKIPPED = [
  /^this machine has a GPU$/,
  /^mounting a small file system takes root$/,
  /^taking another user id takes root, and a folder that all may read$/,
  // From Maven Central and crates.io, which not every machine reaches that has npm and PyPI.
  /^NVIDIA's (trt10|jni10|headers) cannot be had: /,
];

/**
 * The last lines of `npm test`: each step with its time and that of its parts, the tests that were skipped and those that failed, with
 * why, the last of what a step without tests said when it failed, and the sums alone on the last line. What is read of a long log is
 * its end.
 *
 * A step without tests of its own counts as one failure where it failed; it never adds to the passed ones. What is skipped, a step or
 * a test, counts as skipped, or as failed where everything is required.
 *
 * @param {StepResult[]} results
 * @param {{ requireAll: boolean }} options
 * @returns {{ lines: string[], failed: boolean }}
 */
export function report(results, { requireAll }) {
  const sum = { passed: 0, failed: 0, skipped: 0 };
  const skip = (refused) => (sum[refused ? 'failed' : 'skipped'] += 1);
  let missed = false;
  const lines = ['', 'What ran:'];
  for (const { name, status, seconds, reason, output, counts } of results) {
    const tests = counts
      ? `, ${counts.passed} passed, ${counts.failed.length} failed, ${counts.skipped.length} skipped`
      : '';
    lines.push(`  ${status.padEnd(8)}${name} (${seconds.toFixed(0)} s${tests})${reason ? `: ${reason}` : ''}`);
    for (const part of counts?.parts ?? []) lines.push(`${part.seconds.toFixed(1).padStart(16)} s  ${part.name}`);
    for (const test of counts?.skipped ?? []) {
      const refused = requireAll && !mayBeSkipped(test);
      lines.push(
        `            ${refused ? 'failed, as it was skipped' : 'skipped'}: ${test.name}: ${test.reason ?? NO_REASON}`,
      );
      skip(refused);
      missed ||= refused;
    }
    for (const { name, message = '' } of counts?.failed ?? []) {
      lines.push(`            failed: ${name}`, ...told(message).slice(0, TOLD_LINES));
    }
    if (status === 'failed' && !counts?.failed.length) {
      lines.push(...told(output).slice(-TOLD_LINES));
      sum.failed += 1;
    }
    sum.passed += counts?.passed ?? 0;
    sum.failed += counts?.failed.length ?? 0;
    if (status === 'skipped') skip(requireAll);
    missed ||= requireAll && status === 'skipped';
  }
  if (missed) lines.push('T2I_REQUIRE_ALL=1: what is skipped counts as failed.');
  lines.push('', `${sum.passed} passed, ${sum.failed} failed, ${sum.skipped} skipped`);
  return { lines, failed: sum.failed > 0 };
}

/** Lines of a failure's message, or of a failed step's output. */
const TOLD_LINES = 12;
const told = (text) =>
  text
    .trim()
    .split('\n')
    .filter(Boolean)
    .map((line) => `              ${line}`);
const NO_REASON = 'no reason given';

/** @param {SkippedTest} test */
const mayBeSkipped = ({ reason = '' }) => MAY_BE_SKIPPED.some((pattern) => pattern.test(reason));
