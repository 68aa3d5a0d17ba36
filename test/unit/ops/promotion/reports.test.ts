import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { main } from '../../../../src/cli/main.js';
import { promote } from '../../../../src/ops/promotion/promote.js';
import { rollback } from '../../../../src/ops/promotion/rollback.js';
import { FakeHub } from '../../../support/fake-hub.js';
import { fakeIo } from '../../../support/fake-io.js';
import { writePromoted } from '../hub/tiny-promoted.js';
import { writeRun } from './tiny-runs.js';

/** An interpreter that writes the report that a test wants in place of the stage, and keeps what it was started with. */
const PYTHON = `#!${process.execPath}
const fs = require('node:fs');
const { verdict, text } = JSON.parse(fs.readFileSync('next.json', 'utf8'));
fs.writeFileSync('argv.json', JSON.stringify(process.argv.slice(2)));
const run = JSON.parse(fs.readFileSync('saved_models/model_metadata.json', 'utf8'));
const compared = { clip_score: { before: 25, now: 20, limit: 1 } };
const gate = { verdict, with: null, compared, fell: ['clip_score'], differences: [], accepted: null };
fs.mkdirSync('reports', { recursive: true });
if (verdict !== null) fs.writeFileSync('reports/evaluation.json', text ?? JSON.stringify({ run, gate, one: '1.0' }));
const error = { code: verdict === null ? 'OUT_OF_MEMORY' : 'EVALUATION_WORSE', message: 'worse', hint: null, issues: [] };
const fails = verdict === null || verdict === 'failed';
console.log(JSON.stringify(fails ? { event: 'error', ...error } : { event: 'result', value: { gate: verdict } }));
process.exit(fails ? 1 : 0);
`;
type Verdict = 'passed' | 'failed' | 'accepted' | 'not compared' | null;

let project: string;
beforeEach(() => {
  project = mkdtempSync(join(tmpdir(), 't2i-reports-'));
  writeFileSync(join(project, 'params.yaml'), '{}');
  writeFileSync(join(project, 'python'), PYTHON);
  chmodSync(join(project, 'python'), 0o755);
});
afterEach(() => rmSync(project, { recursive: true }));

const common = () => ({ project, target: 'saved_models', keep: 3, signal: new AbortController().signal });
let trained = 0;
/** Promotes a better model than all before. */
const next = async (weights?: string) => {
  writeRun(project, `run-${++trained}`, 1 / trained, {}, weights);
  await promote({ ...common(), minDelta: 0, dryRun: false });
};
const t2i = async (...argv: string[]) => {
  const io = fakeIo({ cwd: project });
  return { code: await main(argv, io), text: io.out() + io.err() };
};
/** Evaluates to a verdict; returns what the stage was given, the runs of the reports in place of their paths. */
const evaluate = async (verdict: Verdict, ...flags: string[]) => {
  writeFileSync(join(project, 'next.json'), JSON.stringify({ verdict }));
  const reports = new Map<string, string>();
  const folder = join(project, 'promotions/evaluations');
  for (const name of existsSync(folder) ? readdirSync(folder) : [])
    reports.set(join(folder, name), JSON.parse(readFileSync(join(folder, name), 'utf8')).run.run_name);
  const { code } = await t2i('evaluate', '--python', join(project, 'python'), '--json', ...flags);
  const argv: string[] = JSON.parse(readFileSync(join(project, 'argv.json'), 'utf8'));
  const given = argv.slice(5).map((each) => {
    const [flag, ...value] = each.split('=');
    return `${flag} ${reports.get(value.join('=')) ?? value.join('=')}`;
  });
  return { code, given };
};

describe('an evaluation', () => {
  beforeEach(() => {
    trained = 0;
  });

  it('is judged by the report of the version that was promoted before', async () => {
    await next();
    expect(await evaluate('not compared')).toEqual({ code: 0, given: [] });
    await next();
    expect(await evaluate('passed')).toEqual({ code: 0, given: ['--before run-1'] });
    expect(await evaluate('passed')).toEqual({ code: 0, given: ['--before run-1', '--kept run-2'] });
    await next();
    expect(await evaluate('accepted', '--accept', 'a new style')).toEqual({
      code: 0,
      given: ['--before run-2', '--accept a new style'],
    });
    await rollback({ ...common(), version: 1 });
    expect((await evaluate('passed')).given).toEqual(['--kept run-1']);
    await next();
    expect((await evaluate('passed')).given).toEqual(['--before run-1']);
  });

  it('is not judged by one that failed, or was not made, but by that of the version before it', async () => {
    await next();
    await evaluate('not compared');
    await next();
    expect(await evaluate('failed')).toEqual({ code: 3, given: ['--before run-1'] });
    await next();
    expect((await evaluate('failed')).given).toEqual(['--before run-1']);
    await next();
    await next();
    expect((await evaluate('passed')).given).toEqual(['--before run-1']);
  });

  it('is not judged by the report of the same files under another number', async () => {
    await next();
    await evaluate('not compared');
    await next('weights');
    await evaluate('passed');
    writeRun(project, 'again', 0.001, {}, 'weights');
    await promote({ ...common(), minDelta: 0, dryRun: false });
    expect((await evaluate('passed')).given).toEqual(['--before run-1', '--kept run-2']);
  });

  it('that ends before its report is written leaves the reports as they are', async () => {
    await next();
    await evaluate('passed');
    const [name] = readdirSync(join(project, 'promotions/evaluations')) as [string];
    const kept = readFileSync(join(project, 'promotions/evaluations', name), 'utf8');
    // As git may bring an older one back.
    writeFileSync(join(project, 'reports/evaluation.json'), kept.replace('passed', 'failed'));
    expect((await evaluate(null)).code).toBe(4);
    expect(readFileSync(join(project, 'promotions/evaluations', name), 'utf8')).toBe(kept);
  });

  it('keeps its report byte for byte, and stops at a damaged one', async () => {
    await next();
    await evaluate('passed');
    const [name] = readdirSync(join(project, 'promotions/evaluations')) as [string];
    const kept = join(project, 'promotions/evaluations', name);
    expect(readFileSync(kept)).toEqual(readFileSync(join(project, 'reports/evaluation.json')));
    writeFileSync(kept, '{');
    const { code, text } = await t2i('evaluate', '--python', join(project, 'python'));
    expect([code, text]).toEqual([1, expect.stringContaining(`${kept} is damaged`)]);
    expect((await t2i('evaluate', '--accept', ' ')).text).toContain('--accept: expected why');
  });
});

describe('a model whose evaluation failed', () => {
  let hub: FakeHub;
  beforeEach(async () => {
    trained = 0;
    hub = await FakeHub.start();
    writePromoted(project);
    // As it was promoted, and exported after that.
    rmSync(join(project, 'saved_models/model_metadata.json'));
    await next();
  });
  afterEach(() => hub.close());
  const publish = (...flags: string[]) => t2i('publish', '--to', join(project, 'there'), ...flags);
  const toHub = async () => {
    const io = fakeIo({ cwd: project, env: hub.env(project) });
    return { code: await main(['publish', '--repo', 'tester/flowers'], io), text: io.out() + io.err() };
  };

  it('is not published, into a folder or to the Hub, until it is accepted', async () => {
    await evaluate('failed');
    for (const outcome of [await publish(), await toHub()]) {
      expect(outcome.code).toBe(3);
      expect(outcome.text).toContain('run-1, measures worse than the version before it: clip_score from 25 to 20');
      expect(outcome.text).toContain('t2i evaluate --accept REASON');
    }
    expect(hub.api.requests).toEqual([]);
    expect(existsSync(join(project, 'there'))).toBe(false);
    await evaluate('accepted', '--accept', 'so');
    expect(await publish()).toMatchObject({ code: 0 });
  });

  it('is known by the report that was kept, where the last one is of another model or gone', async () => {
    await evaluate('failed');
    rmSync(join(project, 'reports'), { recursive: true });
    expect((await publish()).code).toBe(3);
    mkdirSync(join(project, 'reports'));
    writeFileSync(join(project, 'reports/evaluation.json'), JSON.stringify({ run: { run_name: 'other' } }));
    expect((await publish()).code).toBe(3);
    writeFileSync(join(project, 'reports/evaluation.json'), '{');
    expect(await publish()).toMatchObject({ code: 1, text: expect.stringContaining('is damaged') });
  });

  it('is not taken for a good one where its own record is damaged', async () => {
    const record = join(project, 'saved_models/model_metadata.json');
    writeFileSync(record, '{');
    expect(await publish()).toMatchObject({ code: 1, text: expect.stringContaining(`${record} is damaged`) });
  });
});
