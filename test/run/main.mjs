import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { report } from './report.mjs';
import { runSteps } from './run-steps.mjs';

/**
 * Runs steps, prints the report, and leaves the exit code.
 *
 * @param {(scratch: string) => import('./run-steps.mjs').Step[]} makeSteps given an empty folder that is removed at the end
 */
export async function main(makeSteps) {
  const scratch = mkdtempSync(join(tmpdir(), 't2i-test-'));
  try {
    const results = await runSteps(makeSteps(scratch), (line) => console.log(line));
    const { lines, failed } = report(results, { requireAll: process.env.T2I_REQUIRE_ALL === '1' });
    console.log(lines.join('\n'));
    process.exitCode = failed ? 1 : 0;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}
