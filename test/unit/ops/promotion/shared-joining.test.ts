import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { freshPlace, type Machine, machine, meanwhile, shared, weightsOf } from './machines.js';

freshPlace();

describe('a project with a history of its own that joins others', () => {
  const join2 = async () => {
    const [one, own] = [machine('one'), machine('own')];
    one.train('a', 0.5);
    await one.promote();
    await own.promoteAlone({ x: 0.7, y: 0.4 });
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

  it('keeps it until that is decided, however often another machine is faster', async () => {
    const own = await join2();
    const other = machine('other');
    own.forget('runs');
    other.train('b', 0.45);
    meanwhile('writeRecord', () => other.promote());
    expect(await own.promote()).toMatchObject({ promoted: true, run: 'y', version: 3, reason: 'better than 0.45' });
    expect(weightsOf(own)).toBe('weights of y');
  });

  it('promotes it also where no earlier versions are kept', async () => {
    const own = await join2();
    own.forget('runs');
    expect(await own.promote({ keep: 0 })).toMatchObject({ promoted: true, run: 'y', version: 2 });
    expect(weightsOf(own)).toBe('weights of y');
    expect(readdirSync(join(own.project, 'promotions/versions'))).toEqual([]);
  });

  it('says in a dry run what would become of it, and changes nothing', async () => {
    const own = await join2();
    own.forget('runs');
    const before = own.files();
    expect(await own.promote({ dryRun: true })).toMatchObject({ promoted: false, better: true, run: 'y', version: 1 });
    expect(own.files()).toEqual(before);
    writeFileSync(join(own.project, 'saved_models/diffuser/unet/model.safetensors'), 'weights of Y');
    expect(await own.promote({ dryRun: true })).toMatchObject({ better: false, run: 'a' });
  });

  it('notes of it only what was done there, not what was merely found', async () => {
    const own = await join2();
    const [first] = (await own.history()).map(({ model }) => model);
    writeFileSync(join(own.project, 'saved_models/model_metadata.json'), JSON.stringify(first));
    own.forget('saved_models/diffuser');
    await own.promote();
    expect(ownHistory(own).map((line) => JSON.parse(line).action)).toEqual(['promoted', 'promoted']);
  });

  it('does not promote what it went back from once it shares no more, either', async () => {
    const own = await join2();
    await own.back({ shared: undefined });
    await own.promote();
    expect(await own.promote({ shared: undefined })).toMatchObject({ promoted: false, run: 'x' });
    expect(weightsOf(own)).toBe('weights of a');
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
