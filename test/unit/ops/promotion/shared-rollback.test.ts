import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { freshPlace, machine, meanwhile, shared, weightsOf } from './machines.js';

freshPlace();

describe('going back where the promotion is shared', () => {
  const both = async () => {
    const [one, other] = [machine('one'), machine('other')];
    for (const [each, run, loss] of [
      [one, 'a', 0.5],
      [other, 'b', 0.4],
      [one, 'c', 0.3],
    ] as const) {
      each.train(run, loss);
      await each.promote();
    }
    return [one, other] as const;
  };

  it('takes all machines back, and none promotes again what was gone back from', async () => {
    const [one, other] = await both();
    // The one that goes back has never had the version that is promoted.
    expect(await other.back()).toEqual({ rolledBack: true, version: 2, run: 'b', loss: 0.4, from: 3 });
    expect(await one.promote()).toMatchObject({ promoted: false, version: 2 });
    expect([weightsOf(one), weightsOf(other)]).toEqual(['weights of b', 'weights of b']);
    expect(await one.promote({ force: 'so' })).toMatchObject({ promoted: true, run: 'c', version: 4 });
    expect(await other.back({ version: 4 })).toMatchObject({ rolledBack: false, version: 4 });
    expect(weightsOf(other)).toBe('weights of c');
  });

  it('goes to a named version whoever was faster, and to the one before only from the version that was seen', async () => {
    const [one, other] = await both();
    one.train('d', 0.2);
    meanwhile('writeRecord', () => one.promote());
    await expect(other.back()).rejects.toMatchObject({
      code: 'REMOTE_CONFLICT',
      message: expect.stringContaining('version 4, d, is promoted now'),
    });
    meanwhile('writeRecord', () => one.back());
    expect(await other.back({ version: 1 })).toMatchObject({ rolledBack: true, version: 1, from: 3 });
    expect(shared.history.map(({ model }) => model.version)).toEqual([1, 2, 3, 4, 3, 1]);
  });

  it('stops where the shared record was removed meanwhile', async () => {
    const one = machine('one');
    const [, other] = await both();
    const whole = shared.record;
    meanwhile('writeRecord', async () => {
      shared.record = null;
    });
    // Nothing was ever promoted here.
    await expect(one.back()).rejects.toMatchObject({
      code: 'REMOTE_CONFLICT',
      message: expect.stringContaining('nothing is promoted now'),
      hint: expect.stringContaining('t2i history'),
    });
    expect(readdirSync(one.project)).toEqual(['promotions']);
    shared.record = whole;
    expect(await other.back()).toMatchObject({ version: 2 });
  });

  it('goes on where the version that was seen is promoted again', async () => {
    const [one, other] = await both();
    meanwhile('writeRecord', async () => {
      await one.back({ version: 1 });
      await one.back({ version: 3 });
    });
    expect(await other.back()).toMatchObject({ rolledBack: true, version: 2, from: 3 });
    expect(shared.history.map(({ model }) => model.version)).toEqual([1, 2, 3, 1, 3, 2]);
  });

  it('sends the version that it goes to, and keeps what this machine had', async () => {
    const [, other] = await both();
    shared.calls.splice(0);
    expect(await other.back({ version: 1 })).toMatchObject({ version: 1, from: 3 });
    expect(shared.calls.filter((call) => call === 'send')).toHaveLength(2);
    // Which is version 2: it never saw the third.
    const versions = join(other.project, 'promotions/versions');
    const kept = readdirSync(versions).map((name) =>
      readFileSync(join(versions, name, 'unet/model.safetensors'), 'utf8'),
    );
    expect(kept).toContain('weights of b');
  });

  it('gives the others all versions that are kept, where it is the first that is shared', async () => {
    const [one, other] = [machine('one'), machine('other')];
    for (const [run, loss] of [
      ['a', 0.5],
      ['b', 0.4],
      ['c', 0.3],
    ] as const) {
      one.train(run, loss);
      await one.promote({ shared: undefined });
    }
    await one.back({ version: 2 });
    one.forget('runs');
    expect(await other.back({ version: 3 })).toMatchObject({ version: 3, run: 'c' });
    expect(weightsOf(other)).toBe('weights of c');
  });

  it('brings the newest version back where the promoted model was removed, and nothing was shared yet', async () => {
    const one = machine('one');
    one.train('a', 0.5);
    await one.promote({ shared: undefined });
    one.forget('saved_models');
    expect(await one.back()).toMatchObject({ rolledBack: true, version: 1, run: 'a' });
    expect(weightsOf(one)).toBe('weights of a');
  });

  it('is the first that is shared, and the way out where the files of what is promoted are lost', async () => {
    const one = machine('one');
    await one.promoteAlone({ a: 0.5, b: 0.4 });
    one.forget('runs');
    writeFileSync(join(one.project, 'saved_models/diffuser/unet/model.safetensors'), 'weights of B');
    expect(await one.back()).toMatchObject({ version: 1, from: 2 });
    expect(shared.history).toEqual(await one.history());
    expect(shared.history.map(({ action, model }) => [action, model.version])).toEqual([
      ['promoted', 1],
      ['promoted', 2],
      ['rolled-back', 1],
    ]);
    expect([...shared.files.values()].map(String)).not.toContain('weights of B');
    // What was lost before is not in the place either: only what is promoted has to be.
    shared.written.splice(0);
  });
});
