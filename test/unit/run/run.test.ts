import { describe, expect, it } from 'vitest';
import { googleTestCounts, pytestCounts, vitestCounts } from '../../run/counts.mjs';
import { report } from '../../run/report.mjs';
import { runSteps } from '../../run/run-steps.mjs';

const node = (code: string) => ({ command: [process.execPath, '-e', code] });
const run = (steps: Parameters<typeof runSteps>[0]) => {
  const lines: string[] = [];
  return runSteps(steps, (line) => lines.push(line)).then((results) => ({ results, text: lines.join('\n') }));
};

describe('the steps of npm test', () => {
  it('go on after a failure and show the output of the failed one', async () => {
    const { results, text } = await run([
      { name: 'bad', quiet: true, action: () => node('console.log("what went wrong"); process.exit(3)') },
      { name: 'good', quiet: true, action: () => node('console.log("never shown")') },
    ]);
    expect(results.map(({ status }) => status)).toEqual(['failed', 'ok']);
    expect(text).toContain('what went wrong');
    expect(text).not.toContain('never shown');
  });

  it('are skipped with the reason where a tool is missing', async () => {
    const { results } = await run([
      {
        name: 'code',
        quiet: true,
        missingToolCode: 69,
        action: () => node('console.log("install it"); process.exit(69)'),
      },
      { name: 'absent', quiet: true, missingToolCode: 69, action: () => ({ command: ['no-such-tool-anywhere'] }) },
      { name: 'after', action: (done) => ({ skip: `because ${done.get('code')?.reason}` }) },
    ]);
    expect(results.map(({ status }) => status)).toEqual(['skipped', 'skipped', 'skipped']);
    expect(results.map(({ reason }) => reason)).toEqual([
      'install it',
      'no-such-tool-anywhere is not installed',
      'because install it',
    ]);
  });
});

describe('the report', () => {
  const result = (
    status: 'ok' | 'failed' | 'skipped',
    counts?: { passed: number; failed: number; skipped: number },
  ) => ({
    name: status,
    status,
    seconds: 1,
    output: '',
    ...(counts && { counts }),
  });

  it('sums the tests alone on its last line', () => {
    const results = [
      result('ok', { passed: 5, failed: 0, skipped: 1 }),
      result('ok', { passed: 2, failed: 0, skipped: 0 }),
      result('ok'),
    ];
    const { lines, failed } = report(results, { requireAll: true });
    expect(lines.at(-1)).toBe('7 passed, 0 failed, 1 skipped');
    expect(failed).toBe(false);
  });

  it('counts a failed step without tests, and failed tests once', () => {
    const results = [result('failed'), result('failed', { passed: 1, failed: 2, skipped: 0 })];
    expect(report(results, { requireAll: false })).toMatchObject({ failed: true });
    expect(report(results, { requireAll: false }).lines.at(-1)).toBe('1 passed, 3 failed, 0 skipped');
  });

  it('fails for a run that ended badly though its tests passed', () => {
    const { lines } = report([result('failed', { passed: 4, failed: 0, skipped: 0 })], { requireAll: false });
    expect(lines.at(-1)).toBe('4 passed, 1 failed, 0 skipped');
  });

  it('takes a skipped step for a failure only where everything is required', () => {
    expect(report([result('skipped')], { requireAll: false })).toMatchObject({ failed: false });
    expect(report([result('skipped')], { requireAll: true })).toMatchObject({ failed: true });
  });
});

describe('the counts', () => {
  it('of vitest include files that could not be loaded', () => {
    const json = JSON.stringify({
      testResults: [
        {
          status: 'failed',
          assertionResults: [
            { status: 'passed', fullName: 'a' },
            { status: 'failed', fullName: 'b' },
            { status: 'skipped', fullName: 'c' },
            { status: 'todo', fullName: 'd' },
          ],
        },
        { status: 'failed', assertionResults: [] },
      ],
    });
    expect(vitestCounts(json)).toEqual({ passed: 1, failed: 2, skipped: 2, skippedNames: ['c', 'd'] });
  });

  it('of pytest tell errors and skips from passes', () => {
    const xml =
      '<?xml version="1.0"?><testsuites name="x"><testsuite name="pytest" errors="1" failures="2" skipped="1" tests="9">' +
      '<testcase classname="tests.a" name="test_gpu" time="0.1"><skipped type="pytest.skip" message="no GPU">f.py:3</skipped>' +
      '</testcase></testsuite></testsuites>';
    expect(pytestCounts(xml)).toEqual({ passed: 5, failed: 3, skipped: 1, skippedNames: ['test_gpu: no GPU'] });
  });

  it("are read from GoogleTest's report", () => {
    const xml = `<?xml version="1.0" encoding="UTF-8"?>
      <testsuites tests="5" failures="1" disabled="1" errors="0" time="0." name="AllTests">
        <testsuite name="A" tests="5" failures="1" disabled="1" skipped="1" errors="0">
          <testcase name="Good" status="run" result="completed" classname="A" />
          <testcase name="Bad" status="run" result="completed" classname="A">
            <failure message="one" type=""></failure><failure message="two" type=""></failure>
          </testcase>
          <testcase name="Later" status="run" result="skipped" classname="A"><skipped message="why" /></testcase>
          <testcase name="DISABLED_Off" status="notrun" result="suppressed" classname="A" />
          <testcase name="Fine" status="run" result="completed" classname="A" />
        </testsuite>
      </testsuites>`;
    expect(googleTestCounts(xml)).toEqual({
      passed: 2,
      failed: 1,
      skipped: 2,
      skippedNames: ['A.Later', 'A.DISABLED_Off'],
    });
  });
});
