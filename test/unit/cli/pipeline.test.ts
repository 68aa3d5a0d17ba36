import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { main } from '../../../src/cli/main.js';
import { withFileLock } from '../../../src/file-lock.js';
import { fakeIo, whenTold } from '../../support/fake-io.js';

let project: string;
beforeEach(() => {
  project = mkdtempSync(join(tmpdir(), 't2i-pipeline-'));
  writeFileSync(join(project, 'params.yaml'), '');
  writeFileSync(
    join(project, 'dvc.yaml'),
    `stages:
  check: { cmd: npx --no -- t2i params check, params: [training] }
  train: { cmd: npx --no -- t2i train --run _no, deps: [params.yaml] }
  last: { cmd: npx --no -- t2i config, deps: [dvc.yaml] }
`,
  );
});
afterEach(() => rmSync(project, { recursive: true }));

const t2i = async (...argv: string[]) => {
  const io = fakeIo({ cwd: project });
  const code = await main(['pipeline', ...argv], io);
  return { code, out: io.out(), err: io.err() };
};

describe('t2i pipeline', () => {
  it('says what would run', async () => {
    const { code, out } = await t2i();
    expect([code, out]).toEqual([0, 'stage  state\ncheck  it never ran\ntrain  it never ran\nlast   it never ran\n']);
    expect(JSON.parse((await t2i('status', '--json')).out)[0]).toEqual({
      ...{ stage: 'check', upToDate: false, reason: 'it never ran' },
    });
  });

  it('runs to the first stage that fails, ends with its exit code, and goes on there', async () => {
    const first = await t2i('run');
    expect(first.code).toBe(2);
    expect(first.err).toContain('note: 1/3 check: it never ran');
    expect(first.err).toContain('error: --run: expected letters');
    expect(first.err).toContain('note: the stage train failed; the same command goes on with it');
    expect(first.err).not.toContain('last');
    const again = await t2i('run', '--json');
    expect([again.code, JSON.parse(again.out)]).toEqual([
      2,
      {
        stages: [
          { stage: 'check', state: 'up to date', reason: null },
          { stage: 'train', state: 'failed', reason: 'it never ran' },
        ],
      },
    ]);
    expect(again.err).toContain('note: 1/3 check is up to date');
  });

  it('runs a part of them', async () => {
    const first = await t2i('run', '--to', 'check');
    expect([first.code, first.err]).toEqual([0, 'note: 1/3 check: it never ran\nparams.yaml is right\n']);
    const last = await t2i('run', '--from', 'last');
    expect([last.code, last.err]).toEqual([0, expect.stringMatching(/^note: 3\/3 last: it never ran\n/)]);
    // What the stage says, and nothing for programs.
    expect(last.out).toMatch(/^setting .*\n(\w+ .*\n)+$/);
    const [check] = JSON.parse((await t2i('status', '--json')).out);
    expect(check).toEqual({ stage: 'check', upToDate: true, reason: null });
  });

  it('tells programs nothing but what ran', async () => {
    const { code, out } = await t2i('run', '--from', 'last', '--json');
    expect([code, JSON.parse(out)]).toEqual([
      ...[0, { stages: [{ stage: 'last', state: expect.any(String), reason: 'it never ran' }] }],
    ]);
  });

  it('looks at what a training needs before it runs, and not where it only says what would', async () => {
    writeFileSync(join(project, 'params.yaml'), 'data: { raw: pictures }\n');
    mkdirSync(join(project, 'pictures/images'), { recursive: true });
    writeFileSync(join(project, 'pictures/images/one.png'), '');
    expect((await t2i('status')).code).toBe(0);
    const { code, err } = await t2i('run', '--to', 'check');
    expect([code, err]).toEqual([
      2,
      expect.stringMatching(/^error: params\.yaml: data\.train_size: expected at most 1 /),
    ]);
  });

  it('waits, and says so, while another process runs them', async () => {
    const io = fakeIo({ cwd: project });
    const told = whenTold(io);
    mkdirSync(join(project, '.t2i'));
    const { signal } = io;
    const running = await withFileLock(join(project, '.t2i/stages.lock'), { signal, onWait: () => {} }, async () => {
      const command = main(['pipeline', 'run', '--to', 'check'], io);
      await told;
      expect(io.err()).toMatch(/^note: waiting for another process/);
      return { command };
    });
    expect(await running.command).toBe(0);
  });

  it('trains elsewhere, by the same stage', async () => {
    writeFileSync(join(project, 'dvc.yaml'), 'stages: { train: { cmd: npx --no -- t2i train --nproc 2 --run _no } }');
    const refused = 'nothing with --on sagemaker: one process a GPU of each machine';
    expect((await t2i('run', '--on', 'sagemaker')).err).toContain(refused);
    const here = (await t2i('run', '--on', 'local')).err;
    expect(here).toContain('error: --run: expected letters');
    expect(here).not.toContain('--nproc');
  });

  it('gives the place of a training to no other stage', async () => {
    expect((await t2i('run', '--to', 'check', '--on', 'local')).code).toBe(0);
  });

  it.each([
    [['walk'], /action: unknown action "walk"; expected one of run, status/],
    [['run', '--from', 'trian'], /--from: no stage of that name; one of check, train, last/],
    [['run', '--from', 'x', '--to', 'y'], /--from: no stage.*\n.*--to: no stage/],
    [['run', '--from', 'last', '--to', 'train'], /--to: expected last or a stage after it, received train/],
    [['run', '--on', 'moon'], /--on: expected one of local, sagemaker, local-sagemaker/],
  ])('refuses %j', async (argv, words) => {
    const { code, err } = await t2i(...argv);
    expect([code, err]).toEqual([2, expect.stringMatching(words)]);
  });
});
