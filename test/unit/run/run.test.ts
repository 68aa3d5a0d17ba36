import { describe, expect, it } from 'vitest';
import { junitCounts, vitestCounts } from '../../run/counts.mjs';
import { report } from '../../run/report.mjs';
import { runSteps } from '../../run/run-steps.mjs';

const node = (code: string) => ({ command: [process.execPath, '-e', code] });
const run = (steps: Parameters<typeof runSteps>[0]) => {
  const lines: string[] = [];
  return runSteps(steps, (line) => lines.push(line)).then((results) => ({ results, text: lines.join('\n') }));
};

describe('the steps of npm test', () => {
  it('run two at a time, each once those that it needs have ended, however', async () => {
    const order: string[] = [];
    const note = (name: string) => () => {
      order.push(name);
      return node('setTimeout(() => {}, 50)');
    };
    const { results } = await run([
      { name: 'last', after: ['first', 'broken'], action: note('last') },
      { name: 'first', action: note('first') },
      { name: 'broken', action: () => node('process.exit(1)') },
      { name: 'free', action: note('free') },
    ]);
    expect(order[0]).toBe('first');
    expect(order).toHaveLength(3);
    expect(results.map(({ name }) => name)).toEqual(['last', 'first', 'broken', 'free']);
    await expect(run([{ name: 'x', after: ['typo'], action: note('x') }])).rejects.toThrow('not there: x');
  });

  it('go on after a failure and show the output of the failed one', async () => {
    const { results, text } = await run([
      { name: 'bad', action: () => node('console.log("what went wrong"); process.exit(3)') },
      { name: 'good', action: () => node('console.log("never shown")') },
    ]);
    expect(results.map(({ status }) => status)).toEqual(['failed', 'ok']);
    expect(text).toContain('what went wrong');
    expect(text).not.toContain('never shown');
  });

  it('are skipped with the reason where a tool is missing', async () => {
    const { results } = await run([
      {
        name: 'code',
        missingToolCode: 69,
        action: () => node('console.log("install it"); process.exit(69)'),
      },
      { name: 'absent', missingToolCode: 69, action: () => ({ command: ['no-such-tool-anywhere'] }) },
      { name: 'after', after: ['code'], action: (done) => ({ skip: `because ${done.get('code')?.reason}` }) },
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
    counts?: {
      passed: number;
      failed: { name: string; message?: string }[];
      skipped: (string | undefined)[];
      parts?: { name: string; seconds: number }[];
    },
  ) => ({
    name: status,
    status,
    seconds: 1,
    output: '',
    ...(counts && { counts: { ...counts, skipped: counts.skipped.map((reason) => ({ name: 'a test', reason })) } }),
  });

  it('sums the tests alone on its last line', () => {
    const results = [
      result('ok', { passed: 5, failed: [], skipped: ['no shell'] }),
      result('ok', { passed: 2, failed: [], skipped: [] }),
      result('ok'),
    ];
    const { lines, failed } = report(results, { requireAll: false });
    expect(lines.at(-1)).toBe('7 passed, 0 failed, 1 skipped');
    expect(lines).toContain('            skipped: a test: no shell');
    expect(failed).toBe(false);
  });

  it('says how long each part of a step took', () => {
    const parts = [{ name: 'test/unit/', seconds: 12.34 }];
    expect(
      report([result('ok', { passed: 1, failed: [], skipped: [], parts })], { requireAll: false }).lines,
    ).toContain('            12.3 s  test/unit/');
  });

  it('counts a failed step without tests, and failed tests once', () => {
    const results = [
      result('failed'),
      result('failed', { passed: 1, failed: [{ name: 'a' }, { name: 'b' }], skipped: [] }),
    ];
    expect(report(results, { requireAll: false })).toMatchObject({ failed: true });
    expect(report(results, { requireAll: false }).lines.at(-1)).toBe('1 passed, 3 failed, 0 skipped');
  });

  it('ends with the names of the failed tests, and with what they or a failed step said', () => {
    const failed = [
      { name: 'test/a.test.ts: adds', message: '\nexpected 2\n  to be 3\n' },
      { name: 'test/b.test.ts: ends', message: Array.from({ length: 99 }, (_, i) => `line ${i}`).join('\n') },
      { name: 'test/c.test.ts' },
    ];
    const output = Array.from({ length: 99 }, (_, i) => `said ${i}\n`).join('');
    const { lines } = report([result('failed', { passed: 0, failed, skipped: [] }), { ...result('failed'), output }], {
      requireAll: false,
    });
    expect(lines.slice(2)).toEqual([
      '  failed  failed (1 s, 0 passed, 3 failed, 0 skipped)',
      '            failed: test/a.test.ts: adds',
      '              expected 2',
      '                to be 3',
      '            failed: test/b.test.ts: ends',
      ...Array.from({ length: 12 }, (_, i) => `              line ${i}`),
      '            failed: test/c.test.ts',
      '  failed  failed (1 s)',
      ...Array.from({ length: 12 }, (_, i) => `              said ${87 + i}`),
      '',
      '0 passed, 4 failed, 0 skipped',
    ]);
  });

  it('fails for a run that ended badly though its tests passed', () => {
    const { lines } = report([result('failed', { passed: 4, failed: [], skipped: [] })], { requireAll: false });
    expect(lines.at(-1)).toBe('4 passed, 1 failed, 0 skipped');
  });

  it('takes a skipped step for a failure only where everything is required', () => {
    expect(report([result('skipped')], { requireAll: false })).toMatchObject({ failed: false });
    expect(report([result('skipped')], { requireAll: true })).toMatchObject({ failed: true });
  });

  it('takes a skipped test for a failure where everything is required, unless it may be', () => {
    const skipped = ['this machine has a GPU', 'no shell', undefined];
    const { lines, failed } = report([result('ok', { passed: 1, failed: [], skipped })], { requireAll: true });
    expect(failed).toBe(true);
    expect(lines.at(-1)).toBe('1 passed, 2 failed, 1 skipped');
    expect(lines).toEqual(
      expect.arrayContaining([
        '            skipped: a test: this machine has a GPU',
        '            failed, as it was skipped: a test: no shell',
        '            failed, as it was skipped: a test: no reason given',
        'T2I_REQUIRE_ALL=1: what is skipped counts as failed.',
      ]),
    );
    const may = result('ok', { passed: 1, failed: [], skipped: ['this machine has a GPU'] });
    expect(report([may], { requireAll: true })).toMatchObject({ failed: false });
  });
});

describe('the counts', () => {
  it('of vitest include files that could not be loaded, and say how long each part took', () => {
    const file = (name: string, seconds: number, states: string, broken = states.includes('failed')) => ({
      file: `test/${name}.test.ts`,
      seconds,
      broken,
      tests: states.split(' ').map((state, i) => ({
        name: `${name} ${i}`,
        state,
        message: state === 'failed' ? 'not equal' : undefined,
        reason: state === 'skipped' ? 'no shell' : undefined,
      })),
    });
    const files = [
      file('unit/a', 1, 'passed failed skipped pending'),
      { ...file('unit/cli/b', 2, 'passed', true), message: 'no such module' },
      file('e2e/c', 4, 'passed'),
    ];
    expect(vitestCounts(JSON.stringify(files))).toEqual({
      passed: 3,
      failed: [
        { name: 'test/unit/a.test.ts: unit/a 1', message: 'not equal' },
        { name: 'test/unit/cli/b.test.ts', message: 'no such module' },
      ],
      skipped: [
        { name: 'unit/a 2', reason: 'no shell' },
        { name: 'unit/a 3', reason: undefined },
      ],
      parts: [
        { name: 'test/e2e/', seconds: 4 },
        { name: 'test/unit/', seconds: 3 },
        { name: 'test/e2e/c.test.ts', seconds: 4 },
        { name: 'test/unit/cli/b.test.ts', seconds: 2 },
        { name: 'test/unit/a.test.ts', seconds: 1 },
      ],
    });
  });

  it("are read from pytest's report, with why a test failed or was skipped", () => {
    const xml = `<?xml version="1.0" encoding="utf-8"?><testsuites name="pytest tests">
      <testsuite name="pytest" errors="1" failures="1" skipped="1" tests="4">
        <testcase classname="tests.a" name="test_gpu" time="0.1"><skipped type="pytest.skip" message="no GPU">f.py:3</skipped></testcase>
        <testcase classname="tests.a" name="test_good[&lt;1&gt;]" time="0.2" />
        <testcase classname="tests.a" name="test_bad" time="0.3"><failure message="AssertionError: &quot;a&quot; &lt; 2&#10;&#x20AC;">
          result="skipped"</failure></testcase>
        <testcase classname="tests.b" name="test_hook" time="0.4"><error message="failed on setup">...</error></testcase>
      </testsuite></testsuites>`;
    expect(junitCounts(xml)).toEqual({
      passed: 1,
      failed: [
        { name: 'tests.a.test_bad', message: 'AssertionError: "a" < 2\n€' },
        { name: 'tests.b.test_hook', message: 'failed on setup' },
      ],
      skipped: [{ name: 'tests.a.test_gpu', reason: 'no GPU' }],
    });
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
    expect(junitCounts(xml)).toEqual({
      passed: 2,
      failed: [{ name: 'A.Bad', message: 'one' }],
      skipped: [{ name: 'A.Later', reason: 'why' }, { name: 'A.DISABLED_Off' }],
    });
  });
});
