import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { main } from '../../../../src/cli/main.js';
import { promote } from '../../../../src/ops/promotion/promote.js';
import { modelKey } from '../../../../src/ops/promotion/records.js';
import { type RollbackOptions, rollback } from '../../../../src/ops/promotion/rollback.js';
import { fakeIo } from '../../../support/fake-io.js';
import { readPromotedModel, writeRun } from './tiny-runs.js';

let project: string;
beforeEach(() => {
  project = mkdtempSync(join(tmpdir(), 't2i-rollback-'));
});
afterEach(() => rmSync(project, { recursive: true }));

const { signal } = new AbortController();
const take = (more: object = {}) =>
  promote({ project, target: 'saved_models', minDelta: 0, dryRun: false, keep: 3, signal, ...more });
const back = (more: Partial<RollbackOptions> = {}) =>
  rollback({ project, target: 'saved_models', keep: 3, signal, ...more });
const history = async () => {
  writeFileSync(join(project, 'params.yaml'), '');
  const io = fakeIo({ cwd: project });
  expect(await main(['history', '--json'], io)).toBe(0);
  return JSON.parse(io.out()) as { current: number | null; history: Record<string, unknown>[] };
};
const metadata = () => readFileSync(join(project, 'saved_models/model_metadata.json'), 'utf8');
/** Promotes runs `one`, `two`, ... in this order. */
const promoteAll = async (...names: string[]) => {
  for (const [at, name] of names.entries()) {
    writeRun(project, name, 0.5 - 0.1 * at);
    await take();
  }
};

describe('going back', () => {
  it('brings back a version of the very model that is promoted, though its run is no longer there', async () => {
    writeRun(project, 'one', 0.5);
    await take();
    await take({ force: 'again' });
    rmSync(join(project, 'runs'), { recursive: true });
    expect(await back()).toMatchObject({ rolledBack: true, version: 1, from: 2 });
    expect(readPromotedModel(project)).toMatchObject({ weights: 'weights of one', version: 1 });
  });

  it('brings back the files and the very record of the version before, each time one further', async () => {
    writeRun(project, 'one', 0.5);
    await take();
    const first = metadata();
    writeRun(project, 'two', 0.4);
    await take();
    writeRun(project, 'three', 0.3);
    await take();
    rmSync(join(project, 'runs'), { recursive: true });
    expect(await back()).toEqual({ rolledBack: true, version: 2, run: 'two', loss: 0.4, from: 3 });
    expect(readPromotedModel(project)).toMatchObject({ weights: 'weights of two', version: 2, run_name: 'two' });
    expect(await back()).toMatchObject({ version: 1 });
    expect(readPromotedModel(project).weights).toBe('weights of one');
    // Byte for byte, so that DVC knows again what it made of it.
    expect(metadata()).toBe(first);
    await expect(back()).rejects.toMatchObject({ code: 'DATA_INVALID', hint: expect.stringContaining('t2i history') });
    expect(await back({ version: 3 })).toMatchObject({ rolledBack: true, version: 3, from: 1 });
    expect(await back({ version: 3 })).toMatchObject({ rolledBack: false, version: 3 });
  });

  it('keeps the run that was gone back from out, until it is forced or a better one comes', async () => {
    await promoteAll('one', 'two');
    await back();
    expect(await take()).toMatchObject({ promoted: false, run: 'one', version: 1 });
    expect(await take({ force: 'it was good after all' })).toMatchObject({ promoted: true, run: 'two', version: 3 });
    await back({ version: 1 });
    writeRun(project, 'three', 0.45);
    expect(await take()).toMatchObject({ promoted: true, run: 'three', version: 4 });
    rmSync(join(project, 'runs/one'), { recursive: true });
    rmSync(join(project, 'runs/three'), { recursive: true });
    expect(await take()).toMatchObject({ promoted: false, reason: 'it was promoted before, and rolled back' });
  });

  it('keeps as many versions as were asked for, and finds older ones among the runs', async () => {
    await promoteAll('one', 'two', 'three');
    writeRun(project, 'four', 0.1);
    await take({ keep: 1 });
    expect(readdirSync(join(project, 'promotions/versions'))).toHaveLength(1);
    expect(await back({ version: 1 })).toMatchObject({ run: 'one' });
    expect(readPromotedModel(project).weights).toBe('weights of one');
  });

  it('has the versions that were asked for beside the promoted one, or none', async () => {
    await promoteAll('one', 'two', 'three');
    writeRun(project, 'four', 0.1);
    await take({ keep: 2 });
    const kept = () =>
      readdirSync(join(project, 'promotions/versions'))
        .map((name) => readFileSync(join(project, 'promotions/versions', name, 'unet/model.safetensors'), 'utf8'))
        .sort();
    expect(kept()).toEqual(['weights of three', 'weights of two']);
    writeRun(project, 'five', 0.05);
    await take({ keep: 0 });
    expect(kept()).toEqual([]);
  });

  it('keeps what is replaced, though a damaged copy lies where it is to be kept', async () => {
    await promoteAll('one', 'two');
    const { weights, ...two } = readPromotedModel(project);
    const copy = join(project, 'promotions/versions', modelKey(two), 'unet');
    mkdirSync(copy, { recursive: true });
    writeFileSync(join(copy, 'model.safetensors'), weights.toUpperCase());
    writeRun(project, 'three', 0.1);
    await take();
    rmSync(join(project, 'runs'), { recursive: true });
    expect(await back()).toMatchObject({ rolledBack: true, run: 'two' });
    expect(readPromotedModel(project).weights).toBe(weights);
  });

  it('brings the newest version back where the promoted model was removed', async () => {
    await promoteAll('one', 'two', 'three');
    await back();
    rmSync(join(project, 'saved_models'), { recursive: true });
    expect(await back()).toEqual({ rolledBack: true, version: 2, run: 'two', loss: 0.4, from: 2 });
    expect(readPromotedModel(project)).toMatchObject({ weights: 'weights of two', version: 2 });
    expect((await history()).history.at(-1)).toMatchObject({ version: 2, action: 'rolled-back', from: null });
  });

  it('goes nowhere where nothing was promoted', async () => {
    await expect(back()).rejects.toMatchObject({ code: 'DATA_INVALID', hint: expect.stringContaining('t2i history') });
    await expect(back({ version: 3 })).rejects.toMatchObject({
      code: 'OPTION_INVALID',
      message: 'version: expected none yet, received 3',
    });
  });

  it('goes to no version that is damaged or never was, and changes nothing then', async () => {
    await promoteAll('one', 'two');
    const before = metadata();
    const [kept] = readdirSync(join(project, 'promotions/versions')) as [string];
    writeFileSync(join(project, 'promotions/versions', kept, 'unet/model.safetensors'), 'weights of 1ne');
    writeFileSync(join(project, 'runs/one/best/unet/model.safetensors'), 'weights of 0ne');
    await expect(back()).rejects.toMatchObject({
      code: 'DATA_INVALID',
      message: expect.stringMatching(/is not the file of its record/),
    });
    await expect(back({ version: 7 })).rejects.toMatchObject({
      code: 'OPTION_INVALID',
      message: 'version: expected one of 1, 2, received 7',
    });
    expect(metadata()).toBe(before);
    expect(readPromotedModel(project).weights).toBe('weights of two');
    expect((await history()).history).toHaveLength(2);
  });

  it('is the way out where the files of what is promoted are lost, which are kept as no version', async () => {
    await promoteAll('one', 'two');
    rmSync(join(project, 'runs/two'), { recursive: true });
    writeFileSync(join(project, 'saved_models/diffuser/unet/model.safetensors'), 'weights of tw0');
    await expect(take()).rejects.toMatchObject({ code: 'DATA_INVALID', hint: expect.stringContaining('t2i rollback') });
    await back();
    expect(readPromotedModel(project).weights).toBe('weights of one');
    await expect(back({ version: 2 })).rejects.toMatchObject({ code: 'IO_FAILED' });
  });

  it('stops at a damaged record or history', async () => {
    await promoteAll('one', 'two');
    const file = join(project, 'promotions/history.jsonl');
    const text = readFileSync(file, 'utf8');
    writeFileSync(file, text.slice(0, -20));
    await expect(back()).rejects.toMatchObject({
      code: 'DATA_INVALID',
      message: expect.stringMatching(/history\.jsonl, line 2, is damaged/),
    });
    await expect(take()).rejects.toMatchObject({ code: 'DATA_INVALID' });
    writeFileSync(file, text);
    writeFileSync(join(project, 'saved_models/model_metadata.json'), '{');
    await expect(back()).rejects.toMatchObject({
      code: 'DATA_INVALID',
      message: expect.stringMatching(/model_metadata\.json is damaged/),
    });
  });
});

describe('the history', () => {
  it('says what was promoted when, from which run, and why', async () => {
    expect(await history()).toEqual({ current: null, history: [] });
    await promoteAll('one', 'two');
    await take({ force: 'to be sure' });
    await back();
    const { current, history: entries } = await history();
    expect(current).toBe(2);
    expect(entries).toMatchObject([
      { version: 1, action: 'promoted', run: 'one', loss: 0.5, step: 7, forced: null, from: null },
      { version: 2, action: 'promoted', run: 'two', loss: 0.4, forced: null, from: 1 },
      { version: 3, action: 'promoted', run: 'two', forced: 'to be sure', from: 2 },
      { version: 2, action: 'rolled-back', run: 'two', from: 3 },
    ]);
    for (const { time } of entries) expect(time).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
    const io = fakeIo({ cwd: project });
    expect(await main(['history'], io)).toBe(0);
    expect(io.out()).toMatch(/^2 \* .* UTC +rolled back +two +0\.4 +7 +in place of 3$/m);
  });

  it('begins with what was promoted before there was one', async () => {
    await promoteAll('one');
    const { version, promoted_at, ...old } = JSON.parse(metadata());
    writeFileSync(join(project, 'saved_models/model_metadata.json'), JSON.stringify(old));
    rmSync(join(project, 'promotions'), { recursive: true });
    writeRun(project, 'two', 0.4);
    await take();
    expect((await history()).history).toMatchObject([
      { version: 1, run: 'one' },
      { version: 2, run: 'two' },
    ]);
    expect(await back()).toMatchObject({ run: 'one' });
  });

  it('is written down again where it was lost, also by a promotion that finds nothing better', async () => {
    await promoteAll('one');
    const file = join(project, 'promotions/history.jsonl');
    const text = readFileSync(file, 'utf8');
    rmSync(file);
    expect(await take()).toMatchObject({ promoted: false });
    expect(readFileSync(file, 'utf8')).toBe(text);
  });

  it('tells of a version that was brought back by other means, which keeps nothing out', async () => {
    await promoteAll('one', 'two');
    const model = readFileSync(join(project, 'promotions/history.jsonl'), 'utf8').split('\n')[0] as string;
    writeFileSync(join(project, 'saved_models/model_metadata.json'), JSON.stringify(JSON.parse(model).model));
    expect((await history()).history).toMatchObject([{ version: 1 }, { version: 2 }, { version: 1, action: 'found' }]);
    expect(existsSync(join(project, 'promotions/.lock'))).toBe(false);
    expect(await take()).toMatchObject({ promoted: true, run: 'two' });
  });

  it('is told by commands', async () => {
    writeFileSync(join(project, 'params.yaml'), '');
    await promoteAll('one', 'two');
    const t2i = async (...argv: string[]) => {
      const io = fakeIo({ cwd: project });
      return [await main(argv, io), io.out() + io.err()];
    };
    expect(await t2i('rollback')).toEqual([
      0,
      expect.stringContaining('rolled back from 2 to version 1, one, loss 0.5'),
    ]);
    expect(await t2i('rollback', '1')).toEqual([0, 'promoted already: version 1, one, loss 0.5\n']);
    expect((await t2i('rollback', 'x'))[0]).toBe(2);
    expect((await t2i('rollback', '0'))[0]).toBe(2);
  });
});
