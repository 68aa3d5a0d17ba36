import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { modelKey } from '../../../../src/ops/promotion/records.js';
import { earlierReports, keepReport, refuseWorse } from '../../../../src/ops/promotion/reports.js';
import { modelOf } from './tiny-runs.js';

let project: string;
let place: { project: string; folder: string };
beforeEach(() => {
  project = mkdtempSync(join(tmpdir(), 't2i-report-records-'));
  place = { project, folder: join(project, 'saved_models') };
  for (const folder of ['saved_models', 'reports', 'promotions/evaluations'])
    mkdirSync(join(project, folder), { recursive: true });
});
afterEach(() => rmSync(project, { recursive: true }));

const [A, B] = [modelOf(1, 'a'), modelOf(2, 'b')];
const COMPARED = { clip_score: { before: 25, now: 20, limit: 1 }, judge: { before: 0.5, now: null, limit: 0.1 } };
const report = (run: object, verdict: string, more: object = {}) => {
  return { run, gate: { verdict, compared: COMPARED, fell: ['clip_score'], ...more } };
};
const write = (path: string, value: unknown) => writeFileSync(join(project, path), JSON.stringify(value));
const promoted = (model: object) => write('saved_models/model_metadata.json', model);
const last = (value: unknown) => write('reports/evaluation.json', value);
const keptOf = (model: typeof A) => `promotions/evaluations/${modelKey(model)}.json`;
const WORSE = { code: 'EVALUATION_WORSE', hint: expect.stringContaining('t2i rollback') };

describe('a model that is to be published', () => {
  it.each<[string, () => void]>([
    ['nothing evaluated it', () => {}],
    ['its report is from before there was a gate', () => last({ run: B })],
    ['its kept report is from before there was a gate', () => write(keptOf(B), { run: B })],
    [
      'it passed, though its report of then failed',
      () => [last(report(B, 'passed')), write(keptOf(B), report(B, 'failed'))],
    ],
    ['another one failed', () => [last(report(A, 'failed')), write(keptOf(A), report(A, 'failed'))]],
    ['what is worse was accepted', () => last(report(B, 'accepted'))],
    ['it was compared with nothing', () => last(report(B, 'not compared'))],
  ])('is not refused where %s', async (_, given) => {
    promoted(B);
    given();
    await refuseWorse(place);
  });

  it('is refused where its last report failed, or the one that was kept', async () => {
    promoted(B);
    last(report(B, 'failed', { fell: ['clip_score', 'judge'] }));
    const falls = 'b, measures worse than the version before it: clip_score from 25 to 20, judge from 0.5 to no number';
    await expect(refuseWorse(place)).rejects.toMatchObject({ ...WORSE, message: expect.stringContaining(falls) });
    last(report(A, 'passed'));
    await refuseWorse(place);
    write(keptOf(B), report(B, 'failed'));
    await expect(refuseWorse(place)).rejects.toMatchObject(WORSE);
  });

  it('is refused though the report names what it does not compare', async () => {
    promoted(B);
    last(report(B, 'failed', { fell: ['other'] }));
    await expect(refuseWorse(place)).rejects.toMatchObject(WORSE);
  });

  it('is known by its record alone, also of another form than those of today', async () => {
    promoted({ run_name: 'old' });
    await refuseWorse(place);
    last(report({ run_name: 'old' }, 'failed'));
    await expect(refuseWorse(place)).rejects.toMatchObject(WORSE);
  });

  it('is none where nothing is promoted, whatever reports there are', async () => {
    writeFileSync(join(project, 'reports/evaluation.json'), '{');
    await refuseWorse(place);
    expect(await earlierReports(place)).toEqual({ before: null, kept: null });
  });

  it.each([
    ['no report', {}],
    ['a verdict that nobody knows', report(B, 'perfect')],
    [
      'a number in words',
      report(B, 'failed', { compared: { clip_score: { ...COMPARED.clip_score, before: 'high' } } }),
    ],
  ])('is not taken for a good one where its report is damaged: %s', async (_, value) => {
    promoted(B);
    last(value);
    await expect(refuseWorse(place)).rejects.toMatchObject({
      code: 'DATA_INVALID',
      message: expect.stringContaining('evaluation.json is damaged'),
      hint: expect.stringContaining('t2i evaluate'),
    });
  });
});

describe('the reports of earlier versions', () => {
  it('count also where they are from before there was a gate', async () => {
    const entry = (from: number | null, model: typeof A) => ({
      time: model.promoted_at,
      action: 'promoted',
      from,
      model,
    });
    promoted(B);
    const lines = [entry(null, A), entry(1, B)].map((each) => `${JSON.stringify(each)}\n`);
    writeFileSync(join(project, 'promotions/history.jsonl'), lines.join(''));
    write(keptOf(A), { run: A });
    expect(await earlierReports(place)).toEqual({ before: join(project, keptOf(A)), kept: null });
    write(keptOf(B), report(B, 'passed'));
    expect((await earlierReports(place)).kept).toBe(join(project, keptOf(B)));
    write(keptOf(A), report(A, 'failed'));
    expect((await earlierReports(place)).before).toBeNull();
  });

  it('are kept byte for byte with the model that they are of', async () => {
    const text = JSON.stringify(report(B, 'passed'), null, 3);
    writeFileSync(join(project, 'reports/evaluation.json'), text);
    rmSync(join(project, 'promotions'), { recursive: true });
    await keepReport(place);
    expect(readFileSync(join(project, keptOf(B)), 'utf8')).toBe(text);
  });

  it('are not kept where there is none, or nobody can say of which model it is', async () => {
    const path = join(project, 'reports/evaluation.json');
    await expect(keepReport(place)).rejects.toMatchObject({
      code: 'IO_FAILED',
      message: expect.stringContaining(path),
    });
    const { files, ...nameless } = B;
    for (const run of [nameless, { files, run_name: 'b' }]) {
      last(report(run, 'passed'));
      await expect(keepReport(place)).rejects.toMatchObject({
        code: 'DATA_INVALID',
        message: expect.stringContaining(`${path} is damaged: run.`),
      });
    }
    expect(readdirSync(join(project, 'promotions/evaluations'))).toEqual([]);
  });
});
