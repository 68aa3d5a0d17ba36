import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { main } from '../../../../src/cli/main.js';
import { type PromoteOptions, promote } from '../../../../src/ops/promotion/promote.js';
import { fakeIo } from '../../../support/fake-io.js';
import { readPromotedModel, VALIDATION, writeRun } from './tiny-runs.js';

let project: string;
beforeEach(() => {
  project = mkdtempSync(join(tmpdir(), 't2i-promote-'));
});
afterEach(() => rmSync(project, { recursive: true }));

const run = (name: string, loss: number | null, more: object = {}) => writeRun(project, name, loss, more);

const go = (more: Partial<PromoteOptions> = {}) =>
  promote({
    project,
    target: 'saved_models',
    minDelta: 0,
    dryRun: false,
    keep: 3,
    signal: new AbortController().signal,
    ...more,
  });
const promoted = () => readPromotedModel(project);
/** Paths, contents and times of what is promoted. */
const state = () =>
  readdirSync(join(project, 'saved_models'), { recursive: true, encoding: 'utf8' })
    .sort()
    .map((path) => {
      const { mtimeMs, ino } = statSync(join(project, 'saved_models', path));
      return [path, mtimeMs, ino];
    });

/** The same of the records of promotions, which are files of `promotions/`. */
const records = () =>
  readdirSync(join(project, 'promotions'), { withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ name }) => [name, statSync(join(project, 'promotions', name)).ino]);

describe('promotion', () => {
  it('takes the first run, then only better ones, and changes nothing for others', async () => {
    run('first', 0.5);
    expect(await go()).toEqual({
      promoted: true,
      better: true,
      run: 'first',
      loss: 0.5,
      reason: 'it is the first',
      version: 1,
    });
    expect(promoted()).toMatchObject({ weights: 'weights of first', run_name: 'first', forced: null, replaces: null });
    const before = state();
    expect(before.map(([path]) => path)).toEqual([
      'diffuser',
      'diffuser/model_index.json',
      'diffuser/unet',
      'diffuser/unet/model.safetensors',
      'model_metadata.json',
    ]);
    const noted = records();
    expect(noted.map(([name]) => name)).toEqual(['history.jsonl']);
    run('worse', 0.6);
    run('equal', 0.5);
    expect(await go()).toMatchObject({ promoted: false });
    expect([state(), records()]).toEqual([before, noted]);
    run('better', 0.4);
    expect(await go()).toMatchObject({ promoted: true, run: 'better', reason: 'better than 0.5' });
    expect(promoted()).toMatchObject({ weights: 'weights of better', replaces: 'first' });
    expect(readdirSync(join(project, 'saved_models'))).toHaveLength(2);
  });

  it('never takes a loss that is no number, nor lets one stand in the way', async () => {
    run('nan', null);
    await expect(go()).rejects.toMatchObject({ code: 'DATA_INVALID', hint: 'Train first: t2i train' });
    run('good', 0.5);
    await go();
    run('also-nan', null);
    expect(await go()).toMatchObject({ promoted: false, run: 'good' });
    const metadata = join(project, 'saved_models/model_metadata.json');
    writeFileSync(metadata, readFileSync(metadata, 'utf8').replace('0.5', 'null'));
    expect(await go()).toMatchObject({ promoted: true, run: 'good' });
  });

  it('asks for as much as was set, and not less', async () => {
    run('first', 0.5);
    await go();
    run('hardly', 0.495);
    expect(await go({ minDelta: 0.01 })).toMatchObject({
      promoted: false,
      reason: 'its loss 0.495 is not lower than 0.5 by more than 0.01',
    });
    expect(await go({ minDelta: 0.004 })).toMatchObject({ promoted: true });
  });

  it('compares what was measured alike alone, names the difference, and can be overruled with a reason', async () => {
    run('first', 0.5);
    await go();
    run('other', 0.1, { validation: { ...VALIDATION, prediction_type: 'sample', latents: [4, 32, 32] } });
    const before = state();
    await expect(go()).rejects.toMatchObject({
      code: 'DATA_INVALID',
      message: expect.stringContaining('latents: [4,32,32], not [4,16,16]; prediction_type: "sample", not "epsilon"'),
    });
    const problems = await go().catch(({ issues }) => issues);
    expect(problems).toMatchObject([
      { option: 'run other', problem: 'latents: [4,32,32], not [4,16,16]' },
      { option: 'run other', problem: 'prediction_type: "sample", not "epsilon"' },
    ]);
    await expect(go()).rejects.toMatchObject({ hint: expect.stringContaining('t2i promote --force') });
    expect(state()).toEqual(before);
    expect(await go({ force: 'a new size' })).toMatchObject({ promoted: true, run: 'other', reason: 'a new size' });
    expect(promoted()).toMatchObject({ forced: 'a new size' });
  });

  it('checks every file before it replaces one, also where it is forced', async () => {
    run('first', 0.5);
    await go();
    const before = state();
    run('better', 0.4);
    writeFileSync(join(project, 'runs/better/best/unet/model.safetensors'), 'weights of others');
    await expect(go({ force: 'now' })).rejects.toMatchObject({
      code: 'DATA_INVALID',
      message: expect.stringMatching(/is not the file of its record/),
    });
    rmSync(join(project, 'runs/better/best/unet/model.safetensors'));
    await expect(go()).rejects.toMatchObject({
      code: 'IO_FAILED',
      message: expect.stringContaining('runs/better/best'),
    });
    expect(state()).toEqual(before);
    // Nor is the part left that was whole.
    expect(readdirSync(join(project, 'promotions'))).toEqual(['history.jsonl']);
  });

  it('has nothing to promote where there is no run, whatever is promoted', async () => {
    const nothing = {
      code: 'DATA_INVALID',
      message: `There is no finished run with a loss in ${join(project, 'runs')}`,
    };
    await expect(go()).rejects.toMatchObject(nothing);
    run('first', 0.5);
    await go();
    rmSync(join(project, 'runs'), { recursive: true });
    await expect(go()).rejects.toMatchObject(nothing);
    expect(promoted().weights).toBe('weights of first');
  });

  it('is not in the history before it is done', async () => {
    run('first', 0.5);
    writeFileSync(join(project, 'saved_models'), 'a file');
    await expect(go()).rejects.toMatchObject({ code: 'IO_FAILED' });
    expect(readdirSync(join(project, 'promotions'))).toEqual([]);
    rmSync(join(project, 'saved_models'));
    expect(await go()).toMatchObject({ promoted: true, version: 1 });
  });

  it('keeps no copy of the very model that is promoted again', async () => {
    run('first', 0.5);
    await go();
    expect(await go({ force: 'again' })).toMatchObject({ promoted: true, version: 2 });
    expect(readdirSync(join(project, 'promotions/versions'))).toEqual([]);
  });

  it('stops at a damaged record, and never takes it for none', async () => {
    run('first', 0.5);
    await go();
    run('worse', 0.9);
    rmSync(join(project, 'runs/first'), { recursive: true });
    for (const text of ['', '{}', '{"best_val_diffuser_loss": "NaN"}', 'null']) {
      writeFileSync(join(project, 'saved_models/model_metadata.json'), text);
      await expect(go()).rejects.toMatchObject({
        code: 'DATA_INVALID',
        message: expect.stringMatching(/model_metadata\.json is damaged/),
      });
    }
    rmSync(join(project, 'saved_models/model_metadata.json'));
    for (const path of ['../../secret', 'a\n/../../../secret', '/etc/secret', 'C:secret']) {
      run('climbing', 0.1, { files: { [path]: { bytes: 0, sha256: 'a'.repeat(64) } } });
      await expect(go()).rejects.toThrow(/climbing\/run\.json is damaged/);
    }
  });

  it('only says what it would do when asked to', async () => {
    run('first', 0.5);
    expect(await go({ dryRun: true })).toMatchObject({ promoted: false, reason: 'it is the first' });
    expect(readdirSync(project)).toEqual(['runs']);
  });

  it('leaves no unfinished copy where it is aborted', async () => {
    run('first', 0.5);
    await expect(go({ signal: AbortSignal.abort('no') })).rejects.toBe('no');
    expect(readdirSync(project).sort()).toEqual(['promotions', 'runs']);
    expect(readdirSync(join(project, 'promotions'))).toEqual([]);
  });

  it('is a command, for which nothing better is no failure', async () => {
    writeFileSync(join(project, 'params.yaml'), '');
    run('first', 0.5);
    const t2i = async (...argv: string[]) => {
      const io = fakeIo({ cwd: project });
      return [await main(argv, io), io.out()];
    };
    expect(await t2i('promote', '--dry-run')).toEqual([0, 'would promote first, loss 0.5: it is the first\n']);
    const planned = JSON.parse((await t2i('promote', '--dry-run', '--json'))[1] as string);
    expect(planned).toMatchObject({ promoted: false, better: true });
    expect(await t2i('promote')).toEqual([0, 'promoted first, loss 0.5: it is the first\n']);
    expect(await t2i('promote')).toEqual([0, 'not promoted: first, loss 0.5: its loss 0.5 is not lower than 0.5\n']);
    expect(await t2i('promote', '--dry-run')).toEqual([
      0,
      'would not promote first, loss 0.5: its loss 0.5 is not lower than 0.5\n',
    ]);
    expect(JSON.parse((await t2i('promote', '--json'))[1] as string)).toMatchObject({ promoted: false, better: false });
  });
});
