import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { stringify } from 'yaml';
import { Interrupted } from '../../../src/cli/io.js';
import { main } from '../../../src/cli/main.js';
import { fakeIo, shownLines } from '../../support/fake-io.js';
import { writeFakePython } from '../../support/fake-python.js';

const PARAMS = { data: { train_size: 2, val_size: 1 }, training: { batch_size: 2, strategy: 'ddp' } };

let project: string;
beforeEach(() => {
  project = mkdtempSync(join(tmpdir(), 't2i-train-'));
  for (const name of ['a.png', 'b.png', 'c.png']) write(`data/raw/dataset/images/${name}`, '');
  params({});
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(project, { recursive: true });
});

function write(path: string, text: string): void {
  mkdirSync(join(project, path, '..'), { recursive: true });
  writeFileSync(join(project, path), text);
}
const params = (changes: object) => write('params.yaml', stringify({ ...PARAMS, ...changes }));
const python = (code?: string) => writeFakePython(join(project, '.python'), code);

async function t2i(argv: readonly string[], io: Parameters<typeof fakeIo>[0] = {}) {
  const given = fakeIo({ cwd: project, ...io });
  const code = await main(argv, given);
  return { code, out: given.out(), err: given.err() };
}
/** What the trainer was started with. */
async function called(...argv: string[]) {
  const { code, out, err } = await t2i(['train', '--python', python(), '--json', ...argv]);
  expect([code, err]).toEqual([0, '']);
  return JSON.parse(out);
}
const report = () => JSON.parse(readFileSync(join(project, 'reports/training.json'), 'utf8'));

describe('t2i train', () => {
  it('runs the trainer in the project, by its parameters, in one process', async () => {
    const call = await called();
    expect(call).toMatchObject({ stage: 'train', project, launcher: [], options: [] });
    expect(call.params).toMatchObject({
      training: { batch_size: 2, strategy: 'ddp' },
      unet: { init_from: null, layers_per_block: 2 },
      mlflow: { run_name: 'run_1' },
    });
    expect(call.params.training.num_epochs).toEqual(expect.any(Number));
  });

  it('takes strategy, start and name from flags before parameters', async () => {
    write('base/unet/config.json', '{}');
    params({ mlflow: { run_name: 'named' } });
    expect((await called()).params.mlflow.run_name).toBe('named');
    const { params: used } = await called('--strategy', 'zero2', '--init-from', 'base', '--run', 'tuned');
    expect(used).toMatchObject({
      ...{ training: { batch_size: 2, strategy: 'zero2' }, unet: { init_from: 'base' } },
      mlflow: { run_name: 'tuned' },
    });
    expect(used.unet.layers_per_block).toBe(2);
  });

  it('starts as many processes as are asked for', async () => {
    expect((await called('--nproc', '1')).launcher).toEqual([]);
    expect((await called('--nproc', '2')).launcher).toEqual([
      ...['-m', 'torch.distributed.run', '--standalone', '--nproc_per_node', '2'],
    ]);
  });

  it('reports what was trained for the stages that follow, and tells it', async () => {
    const value = { status: 'finished', run: 'runs/run_1', best_step: 7, best_val_diffuser_loss: 0.123456789 };
    const argv = ['train', '--python', python(`emit('result', { value: ${JSON.stringify(value)} });`)];
    const { code, out, err } = await t2i(argv);
    expect([code, err]).toEqual([0, '']);
    expect(out).toMatch(/^status +finished\nrun +runs\/run_1\nbest step +7\nbest val diffuser loss +0.123457\n$/);
    expect(report()).toEqual(value);
  });

  it('shows how far it is, and warns as the trainer does', async () => {
    const progress = { what: 'training', unit: 'steps', done: 3, total: 12, rate: 41.23, left: 60, figures: {} };
    const argv = [
      ...['train', '--python'],
      python(`emit('progress', ${JSON.stringify({ ...progress, figures: { loss: 0.5, lr: null } })});
              emit('warning', { message: 'the loss \\u001b[2Jjumps' });
              emit('progress', ${JSON.stringify({ ...progress, done: 12, rate: 0, left: 0 })});
              emit('result', { value: null });`),
    ];
    const { code, out, err } = await t2i(argv, { terminal: true });
    expect([code, out]).toEqual([0, '']);
    const shown = shownLines(err);
    expect(shown).toContain('training 3/12 steps, 41.2 steps/s, loss 0.5, lr NaN, 1 min 0 s left');
    expect(shown).toContain('training 12/12 steps');
    expect(shown).toContainEqual(expect.stringMatching(/warning:.* the loss \\u\{1b\}\[2Jjumps\n$/));
    expect(shown.at(-1)).toBe('');
  });

  it('sets up its environment where no interpreter is named, and shows what that says', async () => {
    const value = { run: 'runs/run_1' };
    const interpreter = python(`emit('result', { value: ${JSON.stringify(value)} });`);
    write('bin/python3', `#!/bin/sh\necho "installing torch" >&2\necho "${interpreter}"\n`);
    chmodSync(join(project, 'bin/python3'), 0o755);
    vi.stubEnv('PATH', join(project, 'bin'));
    const { code, err } = await t2i(['train'], { terminal: true });
    expect(code, err).toBe(0);
    expect(shownLines(err)).toContain('installing torch');
    expect(report()).toEqual(value);
  });

  it('warns of parameters that are odd', async () => {
    params({ training: { ...PARAMS.training, caption_dropout: 0 } });
    const { code, err } = await t2i(['train', '--python', python(), '--json']);
    expect([code, err]).toEqual([0, expect.stringMatching(/^warning: training.caption_dropout: .*\n$/)]);
  });

  it('that fails says why, and reports nothing', async () => {
    const issue = { option: 'data.raw', expected: 'images', received: 'none' };
    const error = { code: 'DATA_INVALID', message: 'no images', hint: 'Import some.', issues: [issue] };
    const code = `emit('error', ${JSON.stringify(error)}); process.exitCode = 1;`;
    const failed = await t2i(['train', '--python', python(code), '--json']);
    expect([failed.code, JSON.parse(failed.out)]).toEqual([1, { error }]);
    const ended = await t2i(['train', '--python', python('process.exitCode = 3;')]);
    expect([ended.code, ended.err]).toEqual([1, expect.stringMatching(/train ended with 3(.|\n)*goes on where/)]);
    const none = await t2i(['train', '--python', join(project, 'none')]);
    expect([none.code, none.err]).toEqual([4, expect.stringMatching(/none cannot be started(.|\n)*--python/)]);
    expect(existsSync(join(project, 'reports'))).toBe(false);
  });

  it('keeps what it has on Ctrl-C, ends with 130, and reports nothing', async () => {
    const end = new AbortController();
    const kept = join(project, 'kept');
    const argv = [
      'train',
      '--python',
      python(
        `process.on('SIGTERM', () => { fs.writeFileSync(${JSON.stringify(kept)}, ''); emit('result', { value: 1 }); process.exit(0); });
       setInterval(() => {}, 1000);
       emit('warning', { message: 'ready' });`,
      ),
    ];
    const onErr = (text: string) => text.includes('ready') && end.abort(new Interrupted('SIGINT'));
    const io = fakeIo({ cwd: project, signal: end.signal, onErr });
    expect(await main(argv, io)).toBe(130);
    expect([existsSync(kept), existsSync(join(project, 'reports')), io.out()]).toEqual([true, false, '']);
  });

  it('needs as many images as are trained on', async () => {
    rmSync(join(project, 'data/raw/dataset/images/c.png'));
    const { code, err } = await t2i(['train', '--python', python()]);
    expect([code, err]).toEqual([2, expect.stringContaining('data.train_size: expected at most 2 with val_size')]);
  });

  it('refuses every flag that is wrong at once, before params.yaml is looked at', async () => {
    rmSync(join(project, 'params.yaml'));
    const flags = { strategy: 'zero9', nproc: '65', 'init-from': 'nowhere', run: '../a', on: 'mars' };
    const argv = Object.entries(flags).flatMap(([name, value]) => [`--${name}`, value]);
    const { code, out } = await t2i(['train', ...argv, '--container-format', 'zip', '--json']);
    expect(code).toBe(2);
    const told = JSON.parse(out).error.issues.map(({ option }: { option: string }) => option);
    expect(told.sort()).toEqual(['--container-format', '--init-from', '--nproc', '--on', '--run', '--strategy']);
  });

  it.each([
    [['--nproc', '0'], /--nproc: expected an integer from 1 to 64, received 0/],
    [['--nproc', '1.5'], /--nproc: expected an integer/],
    [['--nproc', ''], /--nproc: expected an integer/],
    [['--init-from', ''], /--init-from: expected a folder/],
    [['--init-from', 'data'], /--init-from: expected a diffusers folder with unet\/config.json, received data/],
    [['--run', '.hidden'], /--run: expected letters, digits/],
    [['--wait'], /--wait: expected nothing without --on sagemaker/],
    [['--detach'], /--detach: expected nothing without --on sagemaker/],
    [['--spot'], /--spot: expected nothing without --on sagemaker/],
    [['--no-spot'], /--no-spot: expected nothing without --on sagemaker, received --no-spot/],
    [['--dry-run'], /--dry-run: expected nothing without --on sagemaker/],
    [['--container-format', 'toolkit'], /--container-format: expected nothing without --on sagemaker/],
    [['--on', 'mars'], /--on: expected one of here, sagemaker, local-sagemaker/],
    [['--on', 'sagemaker', '--nproc', '1'], /--nproc: expected nothing with --on sagemaker/],
    [['--on', 'sagemaker', '--python', 'p'], /--python: expected nothing with --on sagemaker/],
    [['--on', 'sagemaker', '--wait', '--detach'], /--detach: expected nothing with --wait/],
    [['--on', 'local-sagemaker', '--detach'], /--detach: expected nothing with --on local-sagemaker/],
  ])('refuses %j', async (argv, words) => {
    const { code, out, err } = await t2i(['train', ...argv]);
    expect([code, out, err]).toEqual([2, '', expect.stringMatching(words)]);
  });

  it('runs where the parameters say, unless a flag does', async () => {
    params({ pytorch_estimator: { train_on: 'sagemaker' } });
    const away = await t2i(['train', '--nproc', '2']);
    expect(away.err).toMatch(/--nproc: expected nothing with --on sagemaker/);
    expect((await called('--on', 'here', '--nproc', '2')).launcher).toContain('2');
  });
});

describe('t2i train-vae', () => {
  it('runs its stage as it is, where there are enough images', async () => {
    const argv = ['train-vae', '--python', python(), '--json'];
    const { code, out } = await t2i(argv);
    expect([code, JSON.parse(out)]).toEqual([0, expect.objectContaining({ stage: 'train_vae_model', options: [] })]);
    rmSync(join(project, 'data/raw'), { recursive: true });
    write('data/raw/dataset/images/a.png', '');
    expect((await t2i(argv)).err).toContain('data.train_size: expected at most 1');
  });
});
