import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { freshPlace, type Machine, machine, meanwhile, shared, weightsOf } from './machines.js';
import { conflict } from './memory-place.js';

freshPlace();

describe('a shared promotion', () => {
  it('begins with the history that the project has, and another machine gets all of it', async () => {
    const [one, other] = [machine('one'), machine('other')];
    for (const [run, loss] of [
      ['a', 0.5],
      ['b', 0.4],
    ] as const) {
      one.train(run, loss);
      await one.promote({ shared: undefined });
    }
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

describe('a project with a history of its own that joins others', () => {
  const join2 = async () => {
    const [one, own] = [machine('one'), machine('own')];
    one.train('a', 0.5);
    await one.promote();
    for (const [run, loss] of [
      ['x', 0.7],
      ['y', 0.4],
    ] as const) {
      own.train(run, loss);
      await own.promote({ shared: undefined });
    }
    return own;
  };
  const ownHistory = (own: Machine) =>
    readFileSync(join(own.project, 'promotions/own-history.jsonl'), 'utf8').trim().split('\n');

  it('keeps it, and promotes its model where that is better, though the run is gone', async () => {
    const own = await join2();
    own.forget('runs');
    expect(await own.promote()).toMatchObject({ promoted: true, run: 'y', version: 2 });
    expect(weightsOf(own)).toBe('weights of y');
    expect(shared.history.map(({ model }) => [model.run_name, model.version])).toEqual([
      ['a', 1],
      ['y', 2],
    ]);
    expect(ownHistory(own).map((line) => JSON.parse(line).model.run_name)).toEqual(['x', 'y']);
    await own.promote();
    expect(ownHistory(own)).toHaveLength(2);
  });

  it('does not promote what it went back from', async () => {
    const own = await join2();
    await own.back({ shared: undefined });
    expect(await own.promote()).toMatchObject({ promoted: false, run: 'x', version: 1 });
    expect(await own.promote()).toMatchObject({ promoted: false, run: 'x' });
    expect(await own.promote({ force: 'it is good' })).toMatchObject({ promoted: true, run: 'y', version: 2 });
    await own.back();
    own.train('z', 0.45);
    expect(await own.promote()).toMatchObject({ promoted: true, run: 'z' });
  });
});
