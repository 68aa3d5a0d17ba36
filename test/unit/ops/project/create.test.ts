import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { parse } from 'yaml';
import { main } from '../../../../src/cli/main.js';
import { readParams } from '../../../../src/ops/params/read.js';
import { createProject } from '../../../../src/ops/project/create.js';
import { fakeIo } from '../../../support/fake-io.js';
import { STAGES } from '../../../support/stages.js';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 't2i-init-'));
});
afterEach(() => rmSync(root, { recursive: true }));

describe('a new project', () => {
  it('has parameters, stages, secrets to fill in, and what git is to ignore', async () => {
    const files = await createProject(join(root, 'flowers'));
    expect(files).toEqual([
      '.env.example',
      '.gitignore',
      'README.md',
      'dvc.yaml',
      'notebooks/explore.ipynb',
      'params.yaml',
      'params.yaml.template',
    ]);
    const read = (name: string) => readFileSync(join(root, 'flowers', name), 'utf8');
    expect(
      readdirSync(join(root, 'flowers'), { recursive: true, withFileTypes: true }).filter((e) => e.isFile()),
    ).toHaveLength(7);
    expect(read('README.md')).toMatch(/^# flowers\n/);
    expect(read('.gitignore').split('\n')).toEqual(expect.arrayContaining(['/params.yaml', '/.env']));
    const { params, warnings } = await readParams(join(root, 'flowers'));
    expect([params.export.name, warnings]).toEqual(['flowers', []]);
  });

  it('has the nine stages, whose parameters exist and whose effects DVC neither undoes nor replays', async () => {
    await createProject(join(root, 'flowers'));
    const { stages } = parse(readFileSync(join(root, 'flowers', 'dvc.yaml'), 'utf8'));
    expect(Object.keys(stages)).toEqual(STAGES);
    const { params } = await readParams(join(root, 'flowers'));
    const named = Object.values<{ params?: string[] }>(stages).flatMap((stage) => stage.params ?? []);
    for (const name of named) {
      const value = name.split('.').reduce<unknown>((inner, key) => (inner as Record<string, unknown>)?.[key], params);
      expect(value, name).toBeDefined();
    }
    const lasting = Object.entries<{ outs: (string | Record<string, { persist?: boolean }>)[] }>(stages)
      .filter(([, { outs }]) => outs.every((out) => typeof out === 'object' && Object.values(out)[0]?.persist === true))
      .map(([name]) => name);
    expect(lasting).toEqual([
      'caption-generator',
      'precompute-embeddings',
      'data-push',
      'training',
      'log_training_model',
      'push_to_hub',
    ]);
  });

  it('is made in an empty folder, and in no other', async () => {
    mkdirSync(join(root, 'empty'));
    await createProject(join(root, 'empty'));
    writeFileSync(join(root, 'file'), '');
    for (const name of ['empty', 'file']) {
      const before = readdirSync(root, { recursive: true });
      await expect(createProject(join(root, name))).rejects.toMatchObject({
        code: expect.stringMatching(/OPTION_INVALID|IO_FAILED/),
      });
      expect(readdirSync(root, { recursive: true })).toEqual(before);
    }
    await expect(createProject(join(root, 'a b'))).rejects.toMatchObject({
      code: 'OPTION_INVALID',
      issues: [{ option: 'folder', received: '"a b"' }],
    });
    await expect(createProject(join(root, 'empty'))).rejects.toMatchObject({
      issues: [
        { option: 'folder', expected: 'a new or empty folder', received: expect.stringMatching(/^\d+ entries$/) },
      ],
    });
  });
});

describe('the commands of a project', () => {
  const t2i = async (cwd: string, ...argv: string[]) => {
    const io = fakeIo({ cwd });
    return { code: await main(argv, io), out: io.out(), err: io.err() };
  };

  it('make, check and show it', async () => {
    expect(await t2i(root, 'init', 'flowers')).toMatchObject({
      code: 0,
      out: expect.stringContaining('params.yaml\n'),
    });
    const cwd = join(root, 'flowers');
    expect(await t2i(cwd, 'params')).toMatchObject({ code: 0, err: 'params.yaml is right\n' });
    const shown = await t2i(cwd, 'params', 'show', '--json');
    expect(JSON.parse(shown.out)).toEqual((await readParams(cwd)).params);
    expect(parse((await t2i(cwd, 'params', 'show')).out)).toEqual(JSON.parse(shown.out));
  });

  it('tell every mistake, and end with 2', async () => {
    await t2i(root, 'init', 'flowers');
    const cwd = join(root, 'flowers');
    writeFileSync(join(cwd, 'params.yaml'), 'unet: {chanels: 3}\nclip: {max_length: 0}\n');
    const { code, err } = await t2i(cwd, 'params', 'check');
    expect(code).toBe(2);
    expect(err).toContain('2 mistakes');
    expect(err).toContain('params.yaml: clip.max_length: expected an integer from 4 to 4096, received 0');
    expect((await t2i(cwd, 'params', 'chekc')).err).toContain('did you mean "check"?');
    expect((await t2i(cwd, 'params', 'import')).err).toContain('an older configuration with import');
    expect((await t2i(cwd, 'params', 'show', 'x')).code).toBe(2);
    expect((await t2i(cwd, 'data', 'embed', '--strict')).err).toContain('nothing with embed');
    expect((await t2i(cwd, 'data', 'import')).code).toBe(2);
    expect((await t2i(cwd, 'train', '--nproc', '0', '--strategy', 'zero9', '--run', '../x')).err).toContain(
      '3 mistakes',
    );
  });

  it('look for images and models before a training, and for no more before anything else', async () => {
    await t2i(root, 'init', 'flowers');
    const cwd = join(root, 'flowers');
    mkdirSync(join(cwd, 'data/raw/dataset/images'), { recursive: true });
    writeFileSync(join(cwd, 'data/raw/dataset/images/a.png'), '');
    for (const action of [['params', 'check'], ['train'], ['train-vae'], ['pipeline', 'run']])
      expect(await t2i(cwd, ...action), action.join(' ')).toMatchObject({
        code: 2,
        err: expect.stringContaining('data.train_size: expected at most 1 with val_size'),
      });
    expect((await t2i(cwd, 'train', '--init-from', 'nope')).err).toContain(
      '--init-from: expected a diffusers folder with unet/config.json, received nope',
    );
    for (const action of [['params', 'show'], ['history']])
      expect((await t2i(cwd, ...action)).code, action.join(' ')).toBe(0);
  });

  it('keep to the GPUs of SageMaker where they train there alone', async () => {
    for (const name of ['AWS_REGION', 'AWS_DEFAULT_REGION', 'AWS_PROFILE']) vi.stubEnv(name, undefined);
    vi.stubEnv('AWS_CONFIG_FILE', join(root, 'none'));
    onTestFinished(() => void vi.unstubAllEnvs());
    await t2i(root, 'init', 'flowers');
    const cwd = join(root, 'flowers');
    writeFileSync(join(cwd, 'params.yaml'), 'training: {precision: bf16}\n');
    expect((await t2i(cwd, 'params', 'check')).code).toBe(0);
    expect((await t2i(cwd, 'train', '--on', 'sagemaker', '--dry-run')).err).toMatch(
      /params\.yaml: training\.precision: expected fp16 on ml\.g4dn\.xlarge.*\n.*AWS_REGION: expected a region/s,
    );
    writeFileSync(join(cwd, 'params.yaml'), 'training: {precision: bf16}\npytorch_estimator: {train_on: sagemaker}\n');
    expect((await t2i(cwd, 'params', 'check')).err).toContain('expected fp16 on ml.g4dn.xlarge');
    expect((await t2i(cwd, 'train', '--on', 'here', '--python', '/nope')).err).toContain('/nope cannot be started');
  });

  it('convert an older configuration once, and never over another', async () => {
    writeFileSync(join(root, 'old.yaml'), 'ddpm_scheduler: {T: 300}\nmlflow: {tracking_password: sesame}\n');
    const first = await t2i(root, 'params', 'import', 'old.yaml', '--json');
    expect(first.code).toBe(0);
    expect(JSON.parse(first.out).notes).toHaveLength(2);
    const text = readFileSync(join(root, 'params.yaml'), 'utf8');
    expect(parse(text)).toEqual({ DDPMScheduler: { T: 300 } });
    expect((await t2i(root, 'params', 'import', 'old.yaml')).code).toBe(0);
    writeFileSync(join(root, 'old.yaml'), 'ddpm_scheduler: {T: 400}\n');
    expect((await t2i(root, 'params', 'import', 'old.yaml')).code).toBe(2);
    expect(readFileSync(join(root, 'params.yaml'), 'utf8')).toBe(text);
    expect((await t2i(root, 'params', 'import', 'gone.yaml')).code).toBe(1);
  });
});
