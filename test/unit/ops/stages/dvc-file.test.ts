import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { PARAMS } from '../../../../src/ops/params/schema.js';
import { readStages } from '../../../../src/ops/stages/dvc-file.js';
import { makesFor } from '../../../../src/ops/stages/order.js';
import type { Stage } from '../../../../src/ops/stages/stage.js';
import { STAGES } from '../../../support/stages.js';

const TEMPLATE = fileURLToPath(new URL('../../../../templates/project', import.meta.url));
const PARAMETERS = PARAMS.parse({ log_trained_model: { diffuser_dir: 'saved models/of it' } });

let project: string;
beforeEach(() => {
  project = mkdtempSync(join(tmpdir(), 't2i-dvc-'));
});
afterEach(() => rmSync(project, { recursive: true }));

const read = (text: string) => {
  writeFileSync(join(project, 'dvc.yaml'), text);
  return readStages(project, PARAMETERS);
};

describe('the stages of dvc.yaml', () => {
  it('are the nine of a project, with its parameters in them', async () => {
    const stages = await readStages(TEMPLATE, PARAMETERS);
    expect(stages.map(({ name }) => name)).toEqual(STAGES);
    const by = Object.fromEntries(stages.map((stage) => [stage.name, stage]));
    expect(by['precompute-embeddings']?.commands).toEqual([
      ['data', 'embed'],
      ['data', 'latents'],
    ]);
    expect(by.tensorrt_convert).toEqual({
      name: 'tensorrt_convert',
      commands: [['build-engine', 'saved models/of it/onnx_models', '--optional', '--report', 'reports/engines.json']],
      inputs: ['saved models/of it/onnx_models'],
      params: {},
      outputs: ['reports/engines.json'],
    } satisfies Stage);
    expect(by.evaluate?.outputs).toEqual(['samples', 'reports/evaluation.html', 'reports/evaluation.json']);
    expect(by['data-push']?.params).toEqual({ 'data.remote': PARAMETERS.data.remote });
    expect(by.training?.params).toMatchObject({
      training: PARAMETERS.training,
      'data.val_size': PARAMETERS.data.val_size,
    });
  });

  it('come after those that make what they read, wherever they are written', async () => {
    const stages = await read(`
stages:
  last: { cmd: npx --no -- t2i export, deps: [made/here], outs: [end] }
  first: { cmd: ['npx --no -- t2i train', "npx --no -- t2i data check --note 'two words'"], outs: [{ made: { persist: true } }] }
  reader: { cmd: npx --no -- t2i evaluate, deps: [all] }
  maker: { cmd: npx --no -- t2i evaluate, outs: [all/of/it] }
  between: { cmd: npx --no -- t2i evaluate, deps: [made], metrics: [{ score.json: { cache: false } }] }
`);
    expect(stages.map(({ name }) => name)).toEqual(['first', 'last', 'maker', 'reader', 'between']);
    expect(stages[0]?.commands).toEqual([['train'], ['data', 'check', '--note', 'two words']]);
    expect(makesFor(stages[0] as Stage, stages[1] as Stage)).toBe(true);
  });

  it('cannot wait for themselves', async () => {
    const circle =
      'stages:\n  a: { cmd: npx --no -- t2i train, deps: [x], outs: [y] }\n  b: { cmd: npx --no -- t2i train, deps: [y], outs: [x] }';
    await expect(read(circle)).rejects.toThrow('a circle of a, b');
  });

  it('tell every mistake at once', async () => {
    const text = `
stages:
  a: { cmd: rm -rf ~, deps: ['\${data.rav}'] }
  b: { cmd: 'npx --no -- t2i train; echo', params: [training.batchsize, nothing] }
  c: { cmd: 'npx --no -- t2i train \${data.raw} $HOME' }
  d: { cmd: npx --no -- t2i train > log }
  e: { cmd: 'npx --no -- t2i train "$(id)"' }
`;
    const error = await read(text).catch((caught) => caught);
    expect(error).toMatchObject({ code: 'OPTION_INVALID' });
    const options = error.issues.map(({ option }: { option: string }) => option);
    expect(options).toEqual([
      ...[
        'a.cmd',
        'a.deps: data.rav',
        'b.cmd',
        'b.params: training.batchsize',
        'b.params: nothing',
        'c.cmd',
        'd.cmd',
        'e.cmd',
      ].map((at) => `dvc.yaml: stages.${at}`),
    ]);
    expect(error.message).toContain('did you mean "batch_size"');
    expect(error.message).toContain(
      '"rm -rf ~" is not a plain command such as npx --no -- t2i train; stages with others are run by dvc repro',
    );
  });

  it.each([
    ['stages: { a: { cmd: npx --no -- t2i train, foreach: [1] } }', 'foreach is understood by DVC alone'],
    ['stages: { a: { cmd: npx --no -- t2i train, frozen: true } }', 'frozen is understood by DVC alone'],
    ['vars: [x]\nstages: {}', 'vars is understood by DVC alone'],
    ['stages: { a: { deps: [x] } }', 'a command line, or a list of them'],
    ['stages: { a: 3 }', 'dvc.yaml: stages.a'],
    ['[]', 'dvc.yaml'],
    ['stages: {a', 'dvc.yaml'],
  ])('refuse %j', async (text, words) => {
    await expect(read(text)).rejects.toMatchObject({ code: 'OPTION_INVALID', message: expect.stringContaining(words) });
  });

  it('lie in the folder of a project', async () => {
    await expect(readStages(project, PARAMETERS)).rejects.toThrow(`There is no dvc.yaml in ${project}`);
  });
});
