import { cpSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { main } from '../../../src/cli/main.js';
import { PROMOTIONS } from '../../../src/ops/promotion/history.js';
import { fakeIo } from '../../support/fake-io.js';
import { FAULTS } from '../../support/fake-server.js';
import { TinyMlflow } from '../ops/promotion/tiny-mlflow.js';
import { readPromotedModel, writeRun } from '../ops/promotion/tiny-runs.js';

let project: string;
beforeEach(() => {
  project = mkdtempSync(join(tmpdir(), 't2i-promotion-'));
  writeFileSync(join(project, 'params.yaml'), 'log_trained_model: { min_delta: 0.001, keep_versions: 1 }\n');
});
afterEach(() => rmSync(project, { recursive: true }));

async function t2i(...argv: string[]) {
  const io = fakeIo({ cwd: project });
  return { code: await main(argv, io), out: io.out(), err: io.err() };
}
const json = async (...argv: string[]) => JSON.parse((await t2i(...argv, '--json')).out);

/** The first two runs, each promoted. */
async function promoteTwo(): Promise<void> {
  writeRun(project, 'first', 0.5);
  await t2i('promote');
  writeRun(project, 'second', 0.4);
  await t2i('promote');
}

describe('t2i promote', () => {
  it('promotes the best run once, and says why', async () => {
    writeRun(project, 'first', 0.5);
    writeRun(project, 'worse', 0.7);
    expect(await t2i('promote')).toEqual({ code: 0, out: 'promoted first, loss 0.5: it is the first\n', err: '' });
    expect(readPromotedModel(project)).toMatchObject({ run_name: 'first', version: 1, forced: null });
    expect(await t2i('promote')).toEqual({
      ...{ code: 0, err: '' },
      out: 'not promoted: first, loss 0.5: its loss 0.5 is not lower than 0.5 by more than 0.001\n',
    });
    writeRun(project, 'second', 0.4995);
    expect((await t2i('promote')).out).toMatch(/^not promoted: second, loss 0.4995/);
    writeRun(project, 'third', 0.4);
    expect((await t2i('promote')).out).toBe('promoted third, loss 0.4: better than 0.5\n');
  });

  it('changes nothing where it is only asked', async () => {
    writeRun(project, 'first', 0.5);
    expect((await t2i('promote', '--dry-run')).out).toBe('would promote first, loss 0.5: it is the first\n');
    expect((await t2i('history')).out).toBe('nothing was promoted yet\n');
    await t2i('promote');
    expect((await t2i('promote', '--dry-run')).out).toMatch(/^would not promote first, loss 0.5: /);
    expect(await json('promote', '--dry-run')).toEqual({
      ...{ promoted: false, better: false, run: 'first', loss: 0.5, version: 1 },
      reason: expect.stringContaining('is not lower than 0.5'),
    });
  });

  it('promotes what is worse for a reason alone, which is kept', async () => {
    await promoteTwo();
    writeRun(project, 'second', 0.9);
    writeRun(project, 'first', 0.8);
    expect(await json('promote', '--force', 'the validation set was mended')).toEqual({
      ...{ promoted: true, better: true, run: 'first', loss: 0.8, version: 3, reason: 'the validation set was mended' },
    });
    expect(readPromotedModel(project)).toMatchObject({ forced: 'the validation set was mended', replaces: 'second' });
    expect(await t2i('promote', '--force', '')).toEqual({
      ...{ code: 2, out: '' },
      err: expect.stringMatching(/--force: expected a reason, which is recorded.*, received ""/),
    });
  });

  it('prints nothing that would steer a terminal', async () => {
    writeRun(project, 'first', 0.5);
    expect((await t2i('promote', '--force', 'a\u001b[2J')).out).toBe('promoted first, loss 0.5: a\\u{1b}[2J\n');
  });

  it('fails where nothing was trained, with what to do', async () => {
    expect(await t2i('promote')).toEqual({ code: 1, out: '', err: expect.stringContaining('t2i train') });
  });
});

describe('the champion in MLflow', () => {
  let mlflow: TinyMlflow;
  beforeEach(async () => {
    mlflow = await TinyMlflow.start();
    const params = { server_uri: mlflow.http.url, registered_model_name: 'Flowers' };
    writeFileSync(join(project, 'params.yaml'), JSON.stringify({ mlflow: params }));
    for (const [name, loss] of [
      ['first', 0.5],
      ['second', 0.4],
    ] as const) {
      writeRun(project, name, loss);
      mlflow.register(mlflow.add(name, null), loss);
    }
  });
  afterEach(() => mlflow.close());

  it('is what is promoted, whatever was promoted before and gone back to', async () => {
    expect((await t2i('promote', '--local')).err).toBe('note: version 2 of Flowers is the champion in MLflow\n');
    writeRun(project, 'third', 0.3);
    expect((await t2i('promote', '--local')).err).toContain('MLflow has no version of Flowers by the run third');
    expect((await t2i('rollback')).err).toContain('dvc repro');
    expect(mlflow.alias).toBe('2');
  });

  it('is marked by the next promotion where the server was away, and by none that is only asked for', async () => {
    mlflow.http.fail(/./, FAULTS.status(403));
    const { code, out, err } = await t2i('promote', '--local');
    expect([code, out]).toEqual([0, expect.stringMatching(/^promoted second/)]);
    expect(err).toMatch(/^warning: the champion is not marked in MLflow: /);
    await t2i('promote', '--local', '--dry-run');
    expect(mlflow.alias).toBeNull();
    const again = await t2i('promote', '--local');
    expect(again).toEqual({
      ...{ code: 0, out: expect.stringMatching(/^not promoted: second/) },
      err: 'note: version 2 of Flowers is the champion in MLflow\n',
    });
    expect((await t2i('promote', '--local')).err).toBe('');
    mlflow.alias = null;
    expect((await t2i('rollback', '1')).err).toContain('is the champion in MLflow');
  });
});

describe('t2i rollback', () => {
  it('goes back to the version before, and to one that is named', async () => {
    await promoteTwo();
    const note = 'note: what is made of the promoted model is still that of before: t2i pipeline run, or dvc repro\n';
    expect(await t2i('rollback')).toEqual({
      ...{ code: 0, err: note },
      out: 'rolled back from 2 to version 1, first, loss 0.5\n',
    });
    expect(readPromotedModel(project)).toMatchObject({ version: 1, weights: 'weights of first' });
    expect(await t2i('rollback', '1')).toEqual({
      ...{ code: 0, err: '' },
      out: 'promoted already: version 1, first, loss 0.5\n',
    });
    expect(await json('rollback', '2')).toEqual({
      ...{ rolledBack: true, version: 2, run: 'second', loss: 0.4, from: 1 },
    });
    expect(readPromotedModel(project)).toMatchObject({ version: 2, weights: 'weights of second' });
  });

  it.each([
    ['9', /version: expected one of 1, 2, received 9/],
    ['0', /version: expected .* from 1 .*received 0/],
    ['one', /version: expected .*received "one"/],
  ])('refuses the version %s', async (version, words) => {
    await promoteTwo();
    expect(await t2i('rollback', version)).toEqual({ code: 2, out: '', err: expect.stringMatching(words) });
    expect(readPromotedModel(project).version).toBe(2);
  });

  it('has nowhere to go from the first', async () => {
    writeRun(project, 'first', 0.5);
    await t2i('promote');
    expect(await t2i('rollback')).toEqual({ code: 1, out: '', err: expect.stringContaining('t2i history') });
  });
});

describe('t2i history', () => {
  it('shows who was promoted in whose place, and why', async () => {
    await promoteTwo();
    await t2i('rollback');
    writeRun(project, 'third', 0.6);
    await t2i('promote', '--force', 'better pictures');
    const { code, out, err } = await t2i('history');
    expect([code, err]).toEqual([0, '']);
    const rows = out
      .trimEnd()
      .split('\n')
      .map((line) => line.split(/ {2,}/));
    const when = expect.stringMatching(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC$/);
    expect(rows).toEqual([
      ['version', 'when', 'what', 'run', 'loss', 'step', 'why'],
      ['1', when, 'promoted', 'first', '0.5', '7'],
      ['2', when, 'promoted', 'second', '0.4', '7'],
      ['1', when, 'rolled back', 'first', '0.5', '7', 'in place of 2'],
      ['3 *', when, 'promoted', 'second', '0.4', '7', 'better pictures'],
    ]);
  });

  it('tells programs the same', async () => {
    await promoteTwo();
    const { current, history } = await json('history');
    expect(current).toBe(2);
    expect(history).toEqual([
      {
        ...{ version: 1, time: expect.any(String), action: 'promoted', run: 'first', loss: 0.5, step: 7 },
        ...{ forced: null, from: null },
      },
      {
        ...{ version: 2, time: expect.any(String), action: 'promoted', run: 'second', loss: 0.4, step: 7 },
        ...{ forced: null, from: 1 },
      },
    ]);
  });

  it('begins with the model that is there', async () => {
    await promoteTwo();
    rmSync(join(project, PROMOTIONS), { recursive: true });
    expect(await json('history')).toMatchObject({
      current: 2,
      history: [{ version: 2, action: 'promoted', from: null }],
    });
  });

  it('shows a model that came back by other means, and no reason that would steer a terminal', async () => {
    writeRun(project, 'first', 0.5);
    await t2i('promote', '--force', 'a\u001b[2Jb');
    const saved = join(project, 'saved_models');
    cpSync(saved, `${saved}-first`, { recursive: true });
    writeRun(project, 'second', 0.4);
    await t2i('promote');
    rmSync(saved, { recursive: true });
    renameSync(`${saved}-first`, saved);
    const { out } = await t2i('history');
    expect(out).toMatch(/^1 \* .* promoted .* a\\u\{1b\}\[2Jb$/m);
    expect(out).toMatch(/^1 \* .* found .* in place of 2$/m);
  });
});
