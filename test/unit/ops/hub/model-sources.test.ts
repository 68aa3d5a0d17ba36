import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isOfModel, modelSources, nameForTag, refuseUnexported, runOf } from '../../../../src/ops/hub/model-sources.js';
import { write, writePromoted } from './tiny-promoted.js';

const { signal } = new AbortController();

let project: string;
let folder: string;
beforeEach(() => {
  project = mkdtempSync(join(tmpdir(), 't2i-model-sources-'));
  folder = join(project, 'saved_models');
  writePromoted(project);
});
afterEach(() => rmSync(project, { recursive: true }));

const remove = (path: string) => rmSync(join(folder, path), { recursive: true });

describe('the files of a promoted model', () => {
  it('are those of the exported one where both have a file, and the index of diffusers', async () => {
    const sources = await modelSources(folder, signal);
    expect(sources.get('unet/config.json')).toBe(join(folder, 'onnx_models/unet/config.json'));
    expect(sources.get('model_index.json')).toBe(join(folder, 'diffuser/model_index.json'));
    expect(sources.get('README.md')).toBe(join(folder, 'README.md'));
    const manifest = JSON.parse(Buffer.from(sources.get('t2i.json') as Uint8Array).toString());
    expect(manifest).toMatchObject({ name: 'flowers', defaults: { steps: 30 } });
    expect(Object.keys(manifest.files).sort()).toEqual(
      Object.keys(JSON.parse(readFileSync(join(folder, 'onnx_models/t2i.json'), 'utf8')).files).sort(),
    );
  });

  it('are the exported ones alone where there are no others', async () => {
    for (const path of ['diffuser', 'README.md', 'model_metadata.json']) remove(path);
    const sources = await modelSources(folder, signal);
    const exported = join(folder, 'onnx_models');
    for (const [path, source] of sources) expect(source).toBe(join(exported, path));
    expect([...sources.keys()]).toEqual(expect.arrayContaining(['t2i.json', 'model_index.json', 'unet/model.onnx']));
    expect(sources.has('README.md') || sources.has('model_metadata.json')).toBe(false);
  });

  it('have the manifest as it is where diffusers has no index', async () => {
    remove('diffuser/model_index.json');
    const sources = await modelSources(folder, signal);
    expect(sources.get('t2i.json')).toBe(join(folder, 'onnx_models/t2i.json'));
    expect(sources.has('unet/diffusion_pytorch_model.safetensors')).toBe(true);
  });

  it('that cannot be read are named', async () => {
    remove('diffuser/model_index.json');
    mkdirSync(join(folder, 'diffuser/model_index.json'));
    await expect(modelSources(folder, signal)).rejects.toMatchObject({
      code: 'IO_FAILED',
      message: expect.stringContaining('diffuser/model_index.json'),
    });
  });

  it('are not there before the export, which the hint names', async () => {
    remove('onnx_models/t2i.json');
    for (const ask of [() => modelSources(folder, signal), () => refuseUnexported(folder)])
      await expect(ask()).rejects.toMatchObject({
        code: 'MODEL_NOT_FOUND',
        message: `There is no exported model in ${folder}`,
        hint: 'Export it first: t2i export',
        cause: expect.objectContaining({ code: 'ENOENT' }),
      });
  });

  it('are not looked for after an abort', async () => {
    const reason = new Error('stop');
    await expect(modelSources(folder, AbortSignal.abort(reason))).rejects.toBe(reason);
  });
});

it.each([
  ...(['unet/a.safetensors', 'vae/b', 'text_encoder/c', 'scheduler/d', 'safety_checker/e'] as const).map(
    (path) => [path, true] as const,
  ),
  ...(['LICENSE', 'unet', 'images/unet/a.png', 'my_vae/a', 'unet2/a', 'README.md'] as const).map(
    (path) => [path, false] as const,
  ),
])('%s in a repository goes with the models that are published there: %s', (path, goes) => {
  expect(isOfModel(path)).toBe(goes);
});

describe('the run of a promoted model', () => {
  it.each([
    ['{"run_name": "run 7"}', 'run 7'],
    ['{"run_name": 7}', null],
    ['{}', null],
    ['null', null],
    ['{"run_name": "cut o', null],
    [null, null],
  ])('by the record %s is %s', async (record, run) => {
    remove('model_metadata.json');
    write(folder, { 'model_metadata.json': record });
    expect(await runOf(folder)).toBe(run);
  });

  it.each([
    ['run-7_b', 'run-7_b'],
    ['a run: the 7th', 'a-run-the-7th'],
    ['--v1.2', 'v1-2'],
    ['../../x', 'x'],
    ['花', 'model'],
    ['', 'model'],
    [null, 'model'],
  ])('%s names a tag %s', (run, name) => {
    expect(nameForTag(run)).toBe(name);
  });
});
