import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { bestOnServer, fromTracking } from '../../../../src/ops/promotion/candidates.js';
import { markChampion } from '../../../../src/ops/promotion/champion.js';
import { promote } from '../../../../src/ops/promotion/promote.js';
import type { RunRecord } from '../../../../src/ops/promotion/records.js';
import { rollback } from '../../../../src/ops/promotion/rollback.js';
import { TinyMlflow, type TrackedRun } from './tiny-mlflow.js';
import { readPromotedModel, writeRun } from './tiny-runs.js';

let mlflow: TinyMlflow;
let project: string;
const { signal } = new AbortController();
beforeEach(async () => {
  mlflow = await TinyMlflow.start();
  project = mkdtempSync(join(tmpdir(), 't2i-promote-mlflow-'));
});
afterEach(async () => {
  await mlflow.close();
  rmSync(project, { recursive: true });
});

const trained: TinyMlflow['train'] = (...run) => mlflow.train(...run);
const tracked = (experiment = 'Training') => ({
  server: mlflow.server,
  experiment,
  s3: async () => {
    throw new Error('S3 is opened');
  },
});
const best = async (isWanted: (run: RunRecord) => boolean = () => true, experiment?: string) => {
  const skipped: string[] = [];
  const found = await bestOnServer(tracked(experiment), isWanted, (why) => skipped.push(why), signal);
  return { run: found?.run.run_name ?? null, skipped };
};

describe('the best run on a server', () => {
  it('is that with the lowest loss, whatever the order in which the server tells them', async () => {
    for (const [name, loss] of [
      ['b', 0.5],
      ['a', 0.125],
      ['c', 0.25],
    ] as const)
      trained(name, loss);
    expect(await best()).toEqual({ run: 'a', skipped: [] });
    expect(await best(({ run_name }) => run_name !== 'a')).toEqual({ run: 'c', skipped: [] });
    expect(await best(() => false)).toEqual({ run: null, skipped: [] });
  });

  it('is none of those that did not finish, and none where there is no such experiment', async () => {
    expect(await best()).toEqual({ run: null, skipped: [] });
    mlflow.add('running', 0.1, 'RUNNING');
    mlflow.add('failed', 0.1, 'FAILED');
    expect(await best()).toEqual({ run: null, skipped: [] });
    trained('a', 0.5);
    expect((await best()).run).toBe('a');
    expect(await best(undefined, 'Another')).toEqual({ run: null, skipped: [] });
  });

  it('is passed over in silence where no loss was logged, or one that is no number', async () => {
    trained('nan', null, 'NaN');
    trained('a', 0.5);
    trained('none', 0.25, null);
    trained('also-nan', 0.125, 'NaN');
    expect(await best()).toEqual({ run: 'a', skipped: [] });
  });

  it.each<[string, (run: TrackedRun) => void, RegExp]>([
    ['no record', ({ files }) => files.delete('model/run.json'), /has no model\/run\.json/],
    ['no model at all', ({ files }) => files.clear(), /has no model\/run\.json/],
    ['half a record', ({ files }) => files.set('model/run.json', Buffer.from('{"run_')), /run\.json .*is damaged/],
    [
      'a record that leads elsewhere',
      ({ files }) => {
        const record = JSON.parse(`${files.get('model/run.json')}`);
        const climbing = { ...record, files: { '../../x': { bytes: 1, sha256: record.config_hash } } };
        files.set('model/run.json', Buffer.from(JSON.stringify(climbing)));
      },
      /run\.json .*is damaged: files\./,
    ],
    ['a record of another loss', (run) => Object.assign(run, { loss: 0.375 }), /says 0\.25 where it logged 0\.375/],
  ])('is passed over and told where it left %s', async (_, spoil, why) => {
    trained('a', 0.5);
    spoil(trained('bad', 0.25));
    const { run, skipped } = await best();
    expect([run, skipped]).toEqual(['a', [expect.stringMatching(why)]]);
    expect(skipped[0]).toContain('the run bad on the MLflow server is left out');
  });

  it.each([
    [100, 100.00005, true],
    [0.01, 0.010000001, true],
    [0.01, 0.0100001, false],
    [0.5, -0.5, false],
    [0, 0, true],
    [null, 0, false],
  ])('with loss %s in its record and %s on the server, which may round it: %s', async (loss, logged, taken) => {
    trained('a', loss, logged);
    const { run, skipped } = await best();
    expect([run, skipped.length]).toEqual(taken ? ['a', 0] : [null, 1]);
  });
});

describe('a project with a server', () => {
  const common = () => ({ project, target: 'saved_models', keep: 3, signal });
  const skipped: string[] = [];
  const go = (more: object = {}) =>
    promote({
      ...{ ...common(), minDelta: 0, dryRun: false, ...more },
      findElsewhere: (isWanted) => bestOnServer(tracked(), isWanted, (why) => skipped.push(why), signal),
    });
  const back = () => rollback({ ...common(), elsewhere: [fromTracking(tracked())] });

  it('gets the files of the best run there, and no others', async () => {
    await expect(go()).rejects.toMatchObject({
      code: 'DATA_INVALID',
      message: expect.stringMatching(/runs, nor on the tracking server$/),
    });
    trained('there', 0.25);
    writeRun(project, 'here', 0.5);
    expect(await go()).toMatchObject({ promoted: true, run: 'there', loss: 0.25 });
    expect(readPromotedModel(project)).toMatchObject({ weights: 'weights of there', run_name: 'there' });
    expect(existsSync(join(project, 'saved_models/diffuser/best.json'))).toBe(false);
  });

  it('takes its own run where both are equal', async () => {
    trained('there', 0.5);
    writeRun(project, 'here', 0.5);
    expect(await go()).toMatchObject({ run: 'here' });
  });

  it('promotes nothing whose files are others than its record says', async () => {
    writeRun(project, 'here', 0.5);
    await go();
    trained('there', 0.25).files.set('model/best/unet/model.safetensors', Buffer.from('weights of tHere'));
    await expect(go()).rejects.toMatchObject({ code: 'DATA_INVALID' });
    expect(readPromotedModel(project)).toMatchObject({ weights: 'weights of here', version: 1 });
  });

  it('fetches the weights of its own run that were removed here', async () => {
    const { files } = trained('a', 0.5);
    writeRun(project, 'a', 0.5);
    writeFileSync(join(project, 'runs/a/run.json'), files.get('model/run.json') as Buffer);
    rmSync(join(project, 'runs/a/best'), { recursive: true });
    expect(await go()).toMatchObject({ promoted: true, run: 'a' });
    expect(readPromotedModel(project).weights).toBe('weights of a');
  });

  it('goes back to a version that only the server still has', async () => {
    trained('a', 0.5);
    await go();
    trained('b', 0.25);
    await go();
    rmSync(join(project, 'promotions/versions'), { recursive: true });
    expect(await back()).toMatchObject({ rolledBack: true, version: 1, run: 'a' });
    expect(readPromotedModel(project)).toMatchObject({ weights: 'weights of a', version: 1 });
    expect(await go()).toMatchObject({ promoted: false, run: 'a' });
  });

  it('says so where the server has not got it any more', async () => {
    trained('a', 0.5);
    await go();
    trained('b', 0.25);
    await go();
    rmSync(join(project, 'promotions/versions'), { recursive: true });
    mlflow.runs.shift();
    await expect(back()).rejects.toMatchObject({
      code: 'REMOTE_NOT_FOUND',
      message: 'The run a is not on the MLflow server',
      hint: expect.stringContaining('t2i history'),
    });
    expect(readPromotedModel(project)).toMatchObject({ weights: 'weights of b', version: 2 });
    expect(readFileSync(join(project, 'promotions/history.jsonl'), 'utf8').trim().split('\n')).toHaveLength(2);
  });
});

describe('the champion', () => {
  const mark = (run: string, loss: number | null = 0.5, experiment = 'Training') =>
    markChampion(mlflow.server, { experiment, model: 'Flowers', run, loss });
  const champion = () => mlflow.alias;

  it('is the version that the promoted run became, and is marked once', async () => {
    const [a, b] = [mlflow.add('a', 0.5), mlflow.add('b', 0.5)];
    mlflow.register(a, 0.5);
    mlflow.register(b, 0.5);
    mlflow.register(a, 0.5, 'Trees');
    expect(await mark('a')).toBe('version 1 of Flowers is the champion in MLflow');
    expect(champion()).toBe('1');
    expect(await mark('a')).toBeNull();
    expect(mlflow.http.asked(/POST .*alias/)).toHaveLength(1);
    expect(await mark('b')).toBe('version 2 of Flowers is the champion in MLflow');
    expect(champion()).toBe('2');
  });

  it('is found where the name of its run holds an apostrophe', async () => {
    mlflow.register(mlflow.add("anna's", 0.5), 0.5);
    expect(await mark("anna's")).toContain('version 1');
  });

  it('is the newest where a run became several that are the same, by number', async () => {
    const run = mlflow.add('a', 0.5);
    for (let number = 1; number <= 10; number++) mlflow.register(run, null);
    mlflow.versions.sort((one, other) => (one.version < other.version ? -1 : 1));
    await mark('a');
    expect(champion()).toBe('10');
  });

  it('follows a run that was trained on, and goes back with it', async () => {
    const run = mlflow.add('a', 0.5);
    mlflow.register(run, 0.5);
    await mark('a', 0.5);
    run.loss = 0.25;
    mlflow.register(run, 0.25);
    expect(await mark('a', 0.25)).toContain('version 2');
    expect(champion()).toBe('2');
    expect(await mark('a', 0.5)).toContain('version 1');
    expect(champion()).toBe('1');
  });

  it('is no other run of the same name, as two machines may have', async () => {
    mlflow.register(mlflow.add('run_1', 0.5), 0.5);
    mlflow.register(mlflow.add('run_1', 0.75), 0.75);
    expect(await mark('run_1', 0.5)).toContain('version 1');
    expect(champion()).toBe('1');
    expect(await mark('run_1', 0.625)).toMatch(/no version of Flowers by the run run_1/);
    expect(champion()).toBe('1');
  });

  it('is found by the name alone where no loss is known', async () => {
    mlflow.register(mlflow.add('a', 'NaN'), 0.5);
    expect(await mark('a', null)).toContain('version 1');
  });

  it('is not marked where the server has no such experiment, run or version', async () => {
    expect(await mark('a', 0.5, 'Another')).toMatch(/no experiment Another/);
    mlflow.register(mlflow.add('b', 0.5), 0.5);
    expect(await mark('a')).toMatch(/no version of Flowers by the run a/);
    mlflow.add('a', 0.5);
    expect(await mark('a')).toMatch(/no version of Flowers by the run a/);
    expect(champion()).toBeNull();
  });

  it('is marked by a tag on a server without aliases', async () => {
    mlflow.hasAliases = false;
    mlflow.register(mlflow.add('a', 0.5), 0.5);
    mlflow.register(mlflow.add('b', 0.5), 0.5);
    expect(await mark('a')).toMatch(/version 1 of Flowers is the champion in MLflow, by a tag/);
    expect(await mark('a')).toBeNull();
    expect(await mark('b')).toMatch(/version 2 .*by a tag/);
    expect(mlflow.versions.map(({ tags }) => tags['t2i.champion'])).toEqual(['false', 'true']);
  });
});
