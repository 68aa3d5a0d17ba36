import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { main } from '../../../src/cli/main.js';
import { PARAMS } from '../../../src/ops/params/schema.js';
import { fakeIo } from '../../support/fake-io.js';

let project: string;
beforeEach(() => {
  project = mkdtempSync(join(tmpdir(), 't2i-params-'));
});
afterEach(() => rmSync(project, { recursive: true }));

const write = (name: string, text: string) => writeFileSync(join(project, name), text);
const t2i = async (...argv: string[]) => {
  const io = fakeIo({ cwd: project });
  return { code: await main(['params', ...argv], io), out: io.out(), err: io.err() };
};

describe('t2i params', () => {
  it.each([[[]], [['check']]])('%j says that they are right, or what is wrong with them', async (argv) => {
    write('params.yaml', '');
    expect(await t2i(...argv)).toEqual({ code: 0, out: '', err: 'params.yaml is right\n' });
    write('params.yaml', 'training: { batch_size: 0, num_epochs: x }\n');
    const { code, out, err } = await t2i(...argv);
    expect([code, out]).toEqual([2, '']);
    expect(err).toMatch(/training\.batch_size: expected/);
    expect(err).toMatch(/training\.num_epochs: expected/);
  });

  it('warns of what is taken but hardly meant, for people and for programs', async () => {
    write('params.yaml', 'training: { caption_dropout: 0 }\n');
    const { code, err } = await t2i();
    expect(code).toBe(0);
    expect(err).toMatch(/^warning: .+\nparams.yaml is right, with warnings\n$/s);
    const told = await t2i('--json');
    expect(JSON.parse(told.out)).toEqual({ file: 'params.yaml', warnings: [expect.any(String)] });
    expect(told.err).not.toContain('is right');
  });

  it('shows every parameter with what holds for it', async () => {
    write('params.yaml', 'training: { batch_size: 3 }\n');
    const all = PARAMS.parse({ training: { batch_size: 3 } });
    const { code, out, err } = await t2i('show');
    expect([code, err, parse(out)]).toEqual([0, '', all]);
    expect(JSON.parse((await t2i('show', '--json')).out)).toEqual(all);
  });

  it('checks what a training needs, and shows what none was checked for', async () => {
    write('params.yaml', 'data: { raw: pictures }\n');
    mkdirSync(join(project, 'pictures/images'), { recursive: true });
    write('pictures/images/one.png', '');
    const checked = await t2i('check');
    expect([checked.code, checked.err]).toEqual([2, expect.stringMatching(/data\.train_size: expected at most 1 /)]);
    expect((await t2i('show')).code).toBe(0);
  });

  it('imports an older configuration once', async () => {
    write('old.yaml', 'training: { batch_size: 3, vae_learning_rate: 0.001 }\n');
    const { code, out, err } = await t2i('import', 'old.yaml');
    expect([code, out]).toEqual([0, '']);
    expect(err).toContain('note: training.vae_learning_rate is vae.learning_rate now\n');
    expect(err).toContain(`wrote ${join(project, 'params.yaml')}`);
    const written = { training: { batch_size: 3 }, vae: { learning_rate: 0.001 } };
    expect(parse(readFileSync(join(project, 'params.yaml'), 'utf8'))).toEqual(written);
    const again = await t2i('import', 'old.yaml', '--json');
    expect([again.code, JSON.parse(again.out)]).toEqual([0, { file: 'params.yaml', notes: expect.any(Array) }]);
  });

  it('never writes over parameters that say something else', async () => {
    write('params.yaml', 'training: { batch_size: 5 }\n');
    write('old.yaml', 'training: { batch_size: 3 }\n');
    const { code, err } = await t2i('import', 'old.yaml');
    expect([code, err]).toEqual([2, expect.stringMatching(/params.yaml is there already.*old.yaml\nhint: Move/)]);
    expect(readFileSync(join(project, 'params.yaml'), 'utf8')).toContain('5');
  });

  it.each([
    [['import'], /an older configuration/],
    [['import', 'none.yaml'], /none\.yaml/],
    [['check', 'params.yaml'], /file: expected nothing with check, received/],
    [['chekc'], /action: unknown action "chekc"; did you mean "check"/],
  ])('refuses %j', async (argv, words) => {
    write('params.yaml', '');
    const { code, out, err } = await t2i(...argv);
    expect([code, out, err]).toEqual([
      expect.toSatisfy((found: number) => found > 0),
      '',
      expect.stringMatching(words),
    ]);
  });

  it('says that a folder is no project', async () => {
    const { code, err } = await t2i();
    expect([code, err]).toEqual([expect.any(Number), expect.stringContaining('params.yaml')]);
    expect(code).not.toBe(0);
    expect(existsSync(join(project, 'params.yaml'))).toBe(false);
  });
});
