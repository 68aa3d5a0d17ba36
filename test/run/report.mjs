/** @import { StepResult } from './run-steps.mjs' */

/**
 * The last lines of `npm test`: each step, the tests that were skipped, and the sums alone on the last line.
 *
 * A step without tests of its own counts as one failure where it failed; it never adds to the passed ones. A skipped step
 * counts as skipped, or as failed where everything is required.
 *
 * @param {StepResult[]} results
 * @param {{ requireAll: boolean }} options
 * @returns {{ lines: string[], failed: boolean }}
 */
export function report(results, { requireAll }) {
  const sum = { passed: 0, failed: 0, skipped: 0 };
  const lines = ['', 'What ran:'];
  for (const { name, status, seconds, reason, counts } of results) {
    const tests = counts ? `, ${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped` : '';
    lines.push(`  ${status.padEnd(8)}${name} (${seconds.toFixed(0)} s${tests})${reason ? `: ${reason}` : ''}`);
    for (const test of counts?.skippedNames ?? []) lines.push(`            skipped test: ${test}`);
    sum.passed += counts?.passed ?? 0;
    sum.skipped += counts?.skipped ?? 0;
    sum.failed += counts?.failed ?? 0;
    if (status === 'failed' && !counts?.failed) sum.failed += 1;
    if (status === 'skipped') sum[requireAll ? 'failed' : 'skipped'] += 1;
  }
  if (requireAll && results.some(({ status }) => status === 'skipped')) {
    lines.push('T2I_REQUIRE_ALL=1: a skipped step counts as failed.');
  }
  lines.push('', `${sum.passed} passed, ${sum.failed} failed, ${sum.skipped} skipped`);
  return { lines, failed: sum.failed > 0 };
}
