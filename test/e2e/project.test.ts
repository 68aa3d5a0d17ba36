import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { OPS } from '../support/moto.js';
import { skipFor } from '../support/skip-for.js';
import { STAGES } from '../support/stages.js';
import { TINY_PROJECT } from '../support/tiny-project.js';
import { TRAINER, UserProject } from '../support/user-project.js';

const NOTEBOOK = fileURLToPath(new URL('../ops/run_notebook.py', import.meta.url));
const CANARY = 'hf_canaryCANARYcanaryCANARY12';

const TINY = {
  ...TINY_PROJECT,
  evaluate: { steps: 3, seeds: 1 },
  export: { name: 'flowers', steps: 3, guidance_scale: 2 },
};

describe('a project, from a folder of images to a published model', skipFor(OPS.lack, TRAINER.lack), () => {
  let project: UserProject;
  beforeAll(() => {
    project = new UserProject({ HF_TOKEN: CANARY });
  }, 600_000);
  afterAll(() => project?.remove());

  it('is made and filled', async () => {
    await project.ok('npx --no -- t2i init flowers', { cwd: project.root });
    project.write(TINY);
    await project.ok('git init -q . && dvc init -q && git add -A');
    expect((await project.sh('git check-ignore params.yaml')).status).toBe(0);
    expect(await project.ok('npx --no -- t2i data import ../source --json')).toContain('"imported"');
    await project.ok('npx --no -- t2i params check');
  }, 600_000);

  it('runs all nine stages', async () => {
    expect(await project.repro()).toEqual(STAGES);
    for (const made of [
      'reports/evaluation.html',
      'saved_models/onnx_models/t2i.json',
      'remote/manifest.json',
      'remote/models/flowers/manifest.json',
    ])
      expect(existsSync(join(project.folder, made)), made).toBe(true);
    const model = '--model saved_models/onnx_models';
    await project.ok(`npx --no -- t2i "a red flower" ${model} --seed 1 -o ../flower.png --backend onnxruntime`);
    expect(await project.ok(`npx --no -- t2i verify ../flower.png ${model}`)).toContain('exact');
  }, 600_000);

  it('does nothing the second time', async () => {
    expect(await project.repro()).toEqual([]);
  }, 600_000);

  it('keeps its lock where a stage fails', async () => {
    const lock = project.read('dvc.lock');
    project.write({ unet: { norm_num_groups: 3 } });
    expect((await project.sh('dvc repro')).status).not.toBe(0);
    expect(project.read('dvc.lock')).toBe(lock);
    project.write({ unet: { norm_num_groups: 4 } });
  }, 300_000);

  it('is shown by its notebook', async () => {
    const run = `"${OPS.python}" "${NOTEBOOK}" notebooks/explore.ipynb`;
    const [captions, images, losses] = JSON.parse(await project.ok(`${run} 2>../log || { cat ../log; exit 1; }`));
    expect(captions).toEqual({ text: expect.stringContaining('a red flower on a blue background'), images: 0 });
    expect(captions.text.trimEnd().split('\n')).toHaveLength(8);
    expect(images).toEqual({ text: '', images: 1 });
    expect(losses.images).toBe(1);
    expect(losses.text).toMatch(/^run_1 val_diffuser_loss: [\d.]+ at step \d+, [\d.]+ at step \d+$/m);
  }, 300_000);

  it('has no secret in any file that is committed or pushed', async () => {
    await project.ok('dvc remote add -d -q store ../store && dvc push -q');
    expect((await project.sh(`grep -rl ${CANARY} . ../store`)).output).toBe('');
    expect(project.said).not.toContain(CANARY);
  }, 600_000);
});
