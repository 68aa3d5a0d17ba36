import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { main } from '../../../src/cli/main.js';
import { PROMOTIONS } from '../../../src/ops/promotion/history.js';
import { fakeIo } from '../../support/fake-io.js';
import { writeFakePython } from '../../support/fake-python.js';
import { writeRun } from '../ops/promotion/tiny-runs.js';

/** Writes the report of an evaluation, in the place of the stage. */
const report = (verdict: string, folder = 'saved_models') => `
fs.mkdirSync('reports', { recursive: true });
const run = JSON.parse(fs.readFileSync('${folder}/model_metadata.json', 'utf8'));
const gate = { verdict: '${verdict}', compared: {}, fell: [] };
fs.writeFileSync('reports/evaluation.json', JSON.stringify({ run, gate }));
`;
const fails = (code: string) =>
  `emit('error', { code: '${code}', message: 'it is worse', hint: null, issues: [] }); process.exitCode = 1;`;
const TELLS = "emit('result', { value: call });";

let project: string;
beforeEach(async () => {
  project = mkdtempSync(join(tmpdir(), 't2i-evaluate-'));
  writeFileSync(join(project, 'params.yaml'), 'log_trained_model: { min_delta: 0, keep_versions: 3 }');
  writeRun(project, 'first', 0.5);
  await t2i('promote');
});
afterEach(() => rmSync(project, { recursive: true }));

async function t2i(...argv: string[]) {
  const io = fakeIo({ cwd: project });
  return { code: await main([...argv, '--json'], io), out: io.out(), err: io.err() };
}
const evaluate = (code: string, ...argv: string[]) =>
  t2i('evaluate', '--python', writeFakePython(join(project, '.python'), code), ...argv);
const kept = () => {
  const folder = join(project, PROMOTIONS, 'evaluations');
  return existsSync(folder) ? readdirSync(folder).map((name) => join(folder, name)) : [];
};

describe('t2i evaluate', () => {
  it('measures the first version by nothing else, and keeps its report', async () => {
    const { code, out } = await evaluate(report('not compared') + TELLS);
    expect([code, JSON.parse(out)]).toEqual([0, expect.objectContaining({ stage: 'evaluate_model', options: [] })]);
    expect(kept().map((path) => readFileSync(path, 'utf8'))).toEqual([
      readFileSync(join(project, 'reports/evaluation.json'), 'utf8'),
    ]);
  });

  it('measures a version by the report of the one before, and by its own', async () => {
    await evaluate(report('not compared') + TELLS);
    const [before] = kept();
    writeRun(project, 'second', 0.4);
    await t2i('promote');
    const first = await evaluate(report('passed') + TELLS);
    expect(JSON.parse(first.out).options).toEqual([`--before=${before}`]);
    const own = kept().find((path) => path !== before);
    const again = await evaluate(report('passed') + TELLS, '--accept', 'another style');
    expect(JSON.parse(again.out).options).toEqual([`--before=${before}`, `--kept=${own}`, '--accept=another style']);
  });

  it('that finds it worse ends with 3, and keeps the report that says so', async () => {
    const { code, out } = await evaluate(report('failed') + fails('EVALUATION_WORSE'));
    expect([code, JSON.parse(out).error]).toEqual([3, { code: 'EVALUATION_WORSE', message: 'it is worse' }]);
    expect(JSON.parse(readFileSync(kept()[0] as string, 'utf8')).gate.verdict).toBe('failed');
  });

  it('that comes to no end keeps no report, not even an earlier one', async () => {
    const { code, out } = await evaluate(report('passed') + fails('OUT_OF_MEMORY'));
    expect([code, JSON.parse(out).error.code]).toEqual([4, 'OUT_OF_MEMORY']);
    expect(kept()).toEqual([]);
  });

  it('finds the promoted model where the parameters say', async () => {
    writeFileSync(
      join(project, 'params.yaml'),
      'log_trained_model: { min_delta: 0, keep_versions: 3, diffuser_dir: other }',
    );
    await t2i('promote');
    expect((await evaluate(report('not compared', 'other') + TELLS)).code).toBe(0);
    const [before] = kept();
    writeRun(project, 'second', 0.4);
    await t2i('promote');
    expect(JSON.parse((await evaluate(report('passed', 'other') + TELLS)).out).options).toEqual([`--before=${before}`]);
  });

  it.each(['', '  '])('wants a reason to accept what is worse: %j', async (reason) => {
    const { code, err } = await evaluate('', '--accept', reason);
    expect([code, err]).toEqual([2, expect.stringContaining('--accept: expected why a lower number is accepted')]);
  });
});

describe('t2i export', () => {
  it('runs its stage in a project, however few images there are', async () => {
    const python = writeFakePython(join(project, '.python'));
    const { code, out } = await t2i('export', '--python', python);
    expect([code, JSON.parse(out)]).toEqual([
      ...[0, expect.objectContaining({ stage: 'export_model', project, options: [], launcher: [] })],
    ]);
  });

  it('asks for a project', async () => {
    rmSync(join(project, 'params.yaml'));
    const { code, err } = await t2i('export', '--python', writeFakePython(join(project, '.python')));
    expect([code, err]).toEqual([2, expect.stringMatching(/There is no params.yaml(.|\n)*t2i init/)]);
  });
});
