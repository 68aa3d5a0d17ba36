import { writeFileSync } from 'node:fs';
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

  it('is the first that is shared, and the way out where the files of what is promoted are lost', async () => {
    const one = machine('one');
    for (const [run, loss] of [
      ['a', 0.5],
      ['b', 0.4],
    ] as const) {
      one.train(run, loss);
      await one.promote({ shared: undefined });
    }
    one.forget('runs');
    writeFileSync(join(one.project, 'saved_models/diffuser/unet/model.safetensors'), 'weights of B');
    expect(await one.back()).toMatchObject({ version: 1, from: 2 });
    expect(shared.history).toEqual(await one.history());
    expect(shared.history.map(({ action, model }) => [action, model.version])).toEqual([
      ['promoted', 1],
      ['promoted', 2],
      ['rolled-back', 1],
    ]);
    // What was lost before is not in the place either: only what is promoted has to be.
    shared.written.splice(0);
  });
});
