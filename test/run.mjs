// `npm test`: sets up what the tests need, runs every check, and says at the end what ran, what was skipped and why.
// With T2I_REQUIRE_ALL=1 a step that is skipped because a tool is missing counts as failed. No dependencies.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { report } from './run/report.mjs';
import { runSteps } from './run/run-steps.mjs';
import { makeSteps } from './run/steps.mjs';

const scratch = mkdtempSync(join(tmpdir(), 't2i-test-'));
try {
  const results = await runSteps(makeSteps(scratch), (line) => console.log(line));
  const { lines, failed } = report(results, { requireAll: process.env.T2I_REQUIRE_ALL === '1' });
  console.log(lines.join('\n'));
  process.exitCode = failed ? 1 : 0;
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
