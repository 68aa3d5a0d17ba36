import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { pythonOf } from '../support/python.js';
import { skipFor } from '../support/skip-for.js';
import { STAGES } from '../support/stages.js';
import { TINY_PROJECT } from '../support/tiny-project.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const T2I = join(ROOT, 'bin/t2i.mjs');
const OPS = pythonOf('test/ops/requirements.lock');
const TRAINER = pythonOf('trainer/requirements.lock');
const CANARY = 'hf_canaryCANARYcanaryCANARY12';

const TINY = {
  ...TINY_PROJECT,
  evaluate: { steps: 3, seeds: 1 },
  export: { name: 'flowers', steps: 3, guidance_scale: 2 },
};

describe('a project, from a folder of images to a published model', skipFor(OPS.lack, TRAINER.lack), () => {
  let root: string;
  let project: string;
  let env: NodeJS.ProcessEnv;

  beforeAll(() => {
    root = mkdtempSync(join(tmpdir(), 't2i-project-'));
    project = join(root, 'flowers');
    execFileSync(TRAINER.python, [join(ROOT, 'test/ops/tiny_project.py'), root], { stdio: 'pipe' });
    // DVC and npx as a user has them: dvc on the path, and t2i installed in a folder above the project.
    const bin = join(root, 'node_modules/.bin');
    mkdirSync(bin, { recursive: true });
    writeFileSync(
      join(bin, 't2i'),
      `#!/bin/sh\nexec ${JSON.stringify(process.execPath)} ${JSON.stringify(T2I)} "$@"\n`,
    );
    chmodSync(join(bin, 't2i'), 0o755);
    writeFileSync(join(root, 'package.json'), '{"name": "user", "version": "1.0.0"}');
    const path = [dirname(process.execPath), dirname(OPS.python), process.env.PATH].join(delimiter);
    const clean = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('npm_')));
    env = { ...clean, PATH: path, HF_TOKEN: CANARY, DVC_NO_ANALYTICS: '1', GIT_CONFIG_GLOBAL: '/dev/null' };
  }, 600_000);
  afterAll(() => rmSync(root, { recursive: true, force: true }));

  const sh = (line: string, cwd = project) => {
    const { status, stdout, stderr } = spawnSync('sh', ['-c', line], { cwd, env, encoding: 'utf8' });
    return { status, output: stdout + stderr };
  };
  const ok = (line: string, cwd?: string) => {
    const { status, output } = sh(line, cwd);
    expect(status, `${line}\n${output}`).toBe(0);
    return output;
  };
  const write = (changes: object) =>
    writeFileSync(
      join(project, 'params.yaml'),
      stringify(merge(parse(readFileSync(join(project, 'params.yaml'), 'utf8')), changes)),
    );
  const file = (path: string) => readFileSync(join(project, path), 'utf8');
  /** The stages that ran. */
  const ran = (output: string) => STAGES.filter((stage) => output.includes(`Running stage '${stage}'`));

  it('is made and filled', () => {
    ok('npx --no -- t2i init flowers', root);
    write(TINY);
    ok('git init -q . && dvc init -q && git add -A');
    expect(sh('git check-ignore params.yaml').status).toBe(0);
    expect(ok('npx --no -- t2i data import ../source --json')).toContain('"imported"');
    ok('npx --no -- t2i params check');
  }, 600_000);

  it('runs all nine stages', () => {
    expect(ran(ok('dvc repro'))).toEqual(STAGES);
    for (const made of [
      'reports/evaluation.html',
      'saved_models/onnx_models/t2i.json',
      'remote/manifest.json',
      'remote/models/flowers/manifest.json',
    ])
      expect(existsSync(join(project, made)), made).toBe(true);
    ok(
      `npx --no -- t2i "a red flower" --model saved_models/onnx_models --seed 1 -o ../flower.png --backend onnxruntime`,
    );
    expect(ok('npx --no -- t2i verify ../flower.png --model saved_models/onnx_models')).toContain('exact');
  }, 600_000);

  it('does nothing the second time', () => {
    expect(ran(ok('dvc repro'))).toEqual([]);
  }, 600_000);

  it('leaves everything downstream as it is for a model that is worse', () => {
    write({ training: { unet_learning_rate: 1e-9, num_epochs: 1 }, mlflow: { run_name: 'worse' } });
    expect(ran(ok('dvc repro'))).toEqual(['training', 'log_training_model']);
    expect(JSON.parse(file('saved_models/model_metadata.json')).run_name).toBe('run_1');
  }, 300_000);

  it('goes through with one that is better', () => {
    write({ training: { unet_learning_rate: 1e-3, num_epochs: 6 }, mlflow: { run_name: 'better' } });
    expect(ran(ok('dvc repro'))).toEqual(STAGES.slice(3));
    expect(JSON.parse(file('saved_models/model_metadata.json')).run_name).toBe('better');
  }, 600_000);

  it('keeps its lock where a stage fails', () => {
    const lock = file('dvc.lock');
    write({ unet: { norm_num_groups: 3 } });
    expect(sh('dvc repro').status).not.toBe(0);
    expect(file('dvc.lock')).toBe(lock);
    write({ unet: { norm_num_groups: 4 } });
  }, 300_000);

  it('is shown by its notebook', () => {
    const [captions, images, losses] = JSON.parse(
      ok(
        `"${OPS.python}" "${ROOT}/test/ops/run_notebook.py" notebooks/explore.ipynb 2>../log || { cat ../log; exit 1; }`,
      ),
    );
    expect(captions).toEqual({ text: expect.stringContaining('a red flower on a blue background'), images: 0 });
    expect(captions.text.trimEnd().split('\n')).toHaveLength(8);
    expect(images).toEqual({ text: '', images: 1 });
    expect(losses.images).toBe(1);
    for (const run of ['better', 'run_1', 'worse'])
      expect(losses.text).toMatch(
        new RegExp(`^${run} val_diffuser_loss: [\\d.]+ at step \\d+, [\\d.]+ at step \\d+$`, 'm'),
      );
  }, 300_000);

  it('has no secret in any file that is committed or pushed', () => {
    ok('dvc remote add -d -q store ../store && dvc push -q');
    expect(sh(`grep -rl ${CANARY} . ../store`).output).toBe('');
  }, 600_000);
});

function merge(base: Record<string, unknown>, changes: object): Record<string, unknown> {
  const merged = { ...base };
  for (const [key, value] of Object.entries(changes)) {
    const inner = base[key];
    const both = typeof inner === 'object' && inner !== null && !Array.isArray(inner) && !Array.isArray(value);
    merged[key] = both && typeof value === 'object' ? merge(inner as Record<string, unknown>, value) : value;
  }
  return merged;
}
