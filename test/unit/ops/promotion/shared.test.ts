import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { T2IError } from '../../../../src/errors.js';
import { fromShared } from '../../../../src/ops/promotion/shared/models.js';
import { freshPlace, machine, meanwhile, shared, weightsOf } from './machines.js';
import { conflict } from './memory-place.js';

freshPlace();
const { signal } = new AbortController();

describe('a shared promotion', () => {
  it('begins with the history that the project has, and another machine gets all of it', async () => {
    const [one, other] = [machine('one'), machine('other')];
    await one.promoteAlone({ a: 0.5, b: 0.4 });
    expect(await one.promote()).toMatchObject({ promoted: false, version: 2 });
    expect(shared.history).toEqual(await one.history());
    expect(await other.promote()).toEqual({
      promoted: false,
      better: false,
      run: 'b',
      loss: 0.4,
      reason: 'it is what is promoted, and no run is here',
      version: 2,
    });
    expect(other.adopted).toEqual([2]);
    expect(other.metadata()).toBe(one.metadata());
    expect(weightsOf(other)).toBe('weights of b');
    expect(await other.history()).toEqual(await one.history());
    expect(await other.back()).toMatchObject({ version: 1, from: 2 });
    expect(weightsOf(other)).toBe('weights of a');
  });

  it('counts the versions of all machines, and each has what is promoted before it decides', async () => {
    const [one, other] = [machine('one'), machine('other')];
    one.train('a', 0.5);
    other.train('b', 0.4);
    expect(await one.promote()).toMatchObject({ promoted: true, version: 1 });
    expect(await other.promote()).toMatchObject({ promoted: true, version: 2, reason: 'better than 0.5' });
    one.train('c', 0.45);
    expect(await one.promote()).toMatchObject({ promoted: false, run: 'c', version: 2 });
    expect(one.adopted).toEqual([2]);
    expect(weightsOf(one)).toBe('weights of b');
    const before = [one.files(), shared.written.length];
    expect(await one.promote()).toMatchObject({ promoted: false });
    expect([one.files(), shared.written.length]).toEqual(before);
  });

  it('is decided anew where another machine was faster', async () => {
    const [one, better, worse] = [machine('one'), machine('better'), machine('worse')];
    one.train('a', 0.5);
    better.train('b', 0.4);
    worse.train('c', 0.6);
    meanwhile('writeRecord', () => worse.promote());
    expect(await one.promote()).toMatchObject({ promoted: true, version: 2, reason: 'better than 0.6' });
    one.train('d', 0.45);
    meanwhile('writeRecord', () => better.promote());
    expect(await one.promote()).toMatchObject({ promoted: false, run: 'd', version: 3 });
    expect(weightsOf(one)).toBe('weights of b');
    expect(shared.history.map(({ model }) => model.run_name)).toEqual(['c', 'a', 'b']);
  });

  it('is done once where the answer to it was lost and it was tried again', async () => {
    const one = machine('one');
    one.train('a', 0.5);
    shared.afterWrite = async () => {
      throw conflict();
    };
    expect(await one.promote()).toMatchObject({ promoted: true, version: 1 });
    expect(weightsOf(one)).toBe('weights of a');
    expect(shared.history).toHaveLength(1);
  });

  it('ends where the place says each time that another was faster, and none was', async () => {
    const one = machine('one');
    one.train('a', 0.5);
    shared.before = async (call) => {
      if (call === 'writeRecord') throw conflict();
    };
    await expect(one.promote()).rejects.toMatchObject({ code: 'REMOTE_CONFLICT' });
    expect(existsSync(join(one.project, 'saved_models'))).toBe(false);
  });

  it.each([new T2IError('ACCESS_DENIED', 'these credentials may not do that'), new TypeError('a bug')])(
    'ends at once where the record cannot be written: %s',
    async (error) => {
      const one = machine('one');
      one.train('a', 0.5);
      shared.before = async (call) => {
        if (call === 'writeRecord') throw error;
      };
      await expect(one.promote()).rejects.toBe(error);
      expect(shared.calls.filter((call) => call === 'writeRecord')).toHaveLength(1);
      expect(existsSync(join(one.project, 'saved_models'))).toBe(false);
    },
  );

  it('has nothing to promote where no machine has a run', async () => {
    await expect(machine('one').promote()).rejects.toMatchObject({
      code: 'DATA_INVALID',
      hint: 'Train first: t2i train',
    });
  });

  it('has the files of all versions before the record that names them, where it begins with a history', async () => {
    const one = machine('one');
    await one.promoteAlone({ a: 0.5, b: 0.4 });
    let there: string[] = [];
    meanwhile('writeRecord', async () => {
      there = [...shared.files.values()].map(String);
    });
    await one.promote();
    expect(there.sort()).toEqual(['weights of a', 'weights of b', '{}']);
  });

  it('gives a project its history back, and its own model no second chance', async () => {
    const [one, other] = [machine('one'), machine('other')];
    one.train('a', 0.5);
    await one.promote();
    other.train('b', 0.4);
    await other.promote();
    one.forget('runs');
    expect(await one.promote()).toMatchObject({ promoted: false, run: 'b', reason: expect.stringContaining('no run') });
    one.forget('promotions/history.jsonl');
    await one.promote();
    expect(await one.history()).toEqual(shared.history);
  });

  it('keeps no version of files that were damaged, and promotes none', async () => {
    const [one, other] = [machine('one'), machine('other')];
    other.train('b', 0.6);
    await other.promote();
    one.train('a', 0.5);
    await one.promote({ shared: undefined });
    one.forget('runs');
    writeFileSync(join(one.project, 'saved_models/diffuser/unet/model.safetensors'), 'weights of A');
    expect(await one.promote()).toMatchObject({ promoted: false, run: 'b', version: 1 });
    expect(weightsOf(one)).toBe('weights of b');
    expect(existsSync(join(one.project, 'promotions/versions'))).toBe(false);
  });

  it('goes on after a refusal that no other writer is behind', async () => {
    const one = machine('one');
    one.train('a', 0.5);
    meanwhile('writeRecord', async () => {
      throw conflict();
    });
    expect(await one.promote()).toMatchObject({ promoted: true });
  });

  it.each(['', 'null', '{}', '{"formatVersion":2,"history":[]}', '{"formatVersion":1,"history":[]}'])(
    'stops at the damaged record %j, and never takes it for none',
    async (text) => {
      const one = machine('one');
      one.train('a', 0.5);
      await one.promote();
      one.train('b', 0.4);
      const [before, whole] = [one.files(), shared.record];
      shared.record = { text, tag: 'damaged' };
      for (const act of [one.promote, one.back, () => one.promote({ dryRun: true })])
        await expect(act()).rejects.toMatchObject({
          code: 'DATA_INVALID',
          message: expect.stringContaining(`${shared.address} is damaged`),
          hint: expect.stringContaining('versioning'),
        });
      expect(shared.record).toEqual({ text, tag: 'damaged' });
      expect(one.files()).toEqual(before);
      shared.record = whole;
    },
  );

  it.each(['../secret', 'a\n/../../secret'])('takes no record whose file would lie elsewhere: %j', async (path) => {
    const [one, two] = [machine('one'), machine('two')];
    one.train('a', 0.5);
    await one.promote();
    const whole = shared.record as NonNullable<typeof shared.record>;
    const text = whole.text.replaceAll('model_index.json', JSON.stringify(path).slice(1, -1));
    shared.record = { text, tag: 'hostile' };
    await expect(two.promote()).rejects.toMatchObject({ code: 'DATA_INVALID' });
    expect(two.files()).toEqual([]);
    shared.record = whole;
  });

  it('takes no file that is not the one of its record, and gets one that was lost back from who has it', async () => {
    const [one, other] = [machine('one'), machine('other')];
    one.train('a', 0.5);
    await one.promote();
    const files = Object.values(one.promoted().files);
    const sent = new Map(shared.files);
    const sha256 = files[0]?.sha256 as string;
    shared.files.set(sha256, Buffer.from('something else'));
    await expect(other.promote()).rejects.toMatchObject({
      code: 'DOWNLOAD_INVALID',
      message: expect.stringContaining(`memory://shared/files/${sha256}`),
    });
    expect(existsSync(join(other.project, 'saved_models'))).toBe(false);
    shared.files.delete(sha256);
    await expect(other.promote()).rejects.toMatchObject({ code: 'REMOTE_NOT_FOUND' });
    await one.promote();
    expect(shared.files).toEqual(sent);
    await other.promote();
    expect(weightsOf(other)).toBe('weights of a');
  });

  it.each<[string, { bytes?: number; sha256?: string }]>([
    ['size', { bytes: 11 }],
    ['content', { sha256: 'c'.repeat(64) }],
  ])('takes no file of another %s, and says which to remove', async (_, more) => {
    const one = machine('one');
    one.train('a', 0.5);
    await one.promote();
    const { files, ...model } = one.promoted();
    const [path, record] = Object.entries(files)[0] as [string, { bytes: number; sha256: string }];
    const other = { ...record, ...more };
    shared.files.set(other.sha256, shared.files.get(record.sha256) as Buffer);
    const fetching = fromShared(shared)({ ...model, files: { [path]: other } }, join(one.project, 'to'), signal);
    await expect(fetching).rejects.toMatchObject({
      code: 'DOWNLOAD_INVALID',
      message: expect.stringContaining(`${path} of the run a`),
      issues: [
        {
          option: path,
          expected: `${other.bytes} bytes, sha256 ${other.sha256}`,
          received: `${record.bytes} bytes, sha256 ${record.sha256}`,
        },
      ],
      hint: expect.stringContaining(`Remove memory://shared/files/${other.sha256}`),
    });
  });

  it('is only looked at by a dry run', async () => {
    const [one, other] = [machine('one'), machine('other')];
    one.train('a', 0.5);
    expect(await one.promote({ dryRun: true })).toMatchObject({ reason: 'it is the first', version: null });
    expect(shared.record).toBe(null);
    await one.promote();
    other.train('b', 0.6);
    expect(await other.promote({ dryRun: true })).toMatchObject({ reason: expect.stringContaining('0.5'), version: 1 });
    expect(readdirSync(other.project)).toEqual(['runs']);
  });

  it('mends the files of the project from what is shared, where nothing else has them', async () => {
    const one = machine('one');
    one.train('a', 0.5);
    await one.promote();
    one.forget('runs', 'saved_models/diffuser');
    expect(await one.promote()).toMatchObject({ promoted: false, version: 1 });
    expect(weightsOf(one)).toBe('weights of a');
  });
});
