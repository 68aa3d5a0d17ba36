import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { main } from '../../src/cli/main.js';
import { readReceipt } from '../../src/image/read-receipt.js';
import { fakeIo } from '../support/fake-io.js';

const fixture = (name: string) => fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url));

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 't2i-presets-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

async function t2i(...argv: string[]) {
  const io = fakeIo({});
  const code = await main(argv, io);
  return { code, out: io.out(), err: io.err() };
}

/** A copy of the tiny model with a file of it replaced. */
function changed(name: string, path: string, json: object): string {
  const dir = join(folder, name);
  cpSync(fixture('tiny'), dir, { recursive: true });
  writeFileSync(join(dir, path), JSON.stringify(json));
  return dir;
}

const generate = (model: string, ...argv: string[]) =>
  t2i('generate', 'a cat', '--model', model, '--backend', 'onnxruntime', '--seed', '7', ...argv);

describe('presets of a manifest', () => {
  let model: string;
  const image = () => join(folder, 'cat.png');
  beforeAll(() => {
    model = changed('presets', 't2i.json', {
      formatVersion: 1,
      name: 'with-presets',
      files: {},
      defaults: { steps: 4, guidanceScale: 3, sampler: 'ddim' },
      presets: { fast: { steps: 2, sampler: 'dpmpp-2m', guidanceScale: 1 }, strong: { guidanceScale: 12 } },
      training: {},
      dataFingerprint: 'x',
      nullEmbeddingSha256: 'a'.repeat(64),
      evaluation: null,
      licence: 'Apache-2.0',
    });
  });

  it('are used by name, below what the flags say, and resolved in the receipt', async () => {
    expect(await generate(model, '--preset', 'fast', '-o', image())).toMatchObject({ code: 0 });
    const fast = { guidanceScale: 1, plan: { steps: 2, sampler: 'dpmpp-2m' } };
    expect(await readReceipt(image())).toMatchObject(fast);
    await generate(model, '--preset', 'fast', '--steps', '3', '-o', image());
    expect(await readReceipt(image())).toMatchObject({ ...fast, plan: { steps: 3, sampler: 'dpmpp-2m' } });
    expect((await t2i('verify', image(), '--model', model)).code).toBe(0);
  });

  it('may be chosen for a line of a batch', async () => {
    const batch = join(folder, 'batch.jsonl');
    writeFileSync(batch, JSON.stringify({ prompt: 'a cat', preset: 'strong', output: image() }));
    const { code } = await t2i('generate', '--batch', batch, '--model', model, '--preset', 'fast');
    expect(code).toBe(0);
    expect(await readReceipt(image())).toMatchObject({ guidanceScale: 12, plan: { steps: 4, sampler: 'ddim' } });
  });

  it('are named where another one is asked for', async () => {
    const { code, err } = await generate(model, '--preset', 'fats', '-o', image());
    expect([code, err]).toEqual([
      2,
      expect.stringContaining('--preset: expected a preset of this model: fast, strong'),
    ]);
  });

  it('are listed by inspect', async () => {
    expect((await t2i('inspect', model)).out).toMatch(
      /presets +fast: 2 steps, guidance 1, dpmpp-2m\n +strong: guidance 12\n/,
    );
    expect(JSON.parse((await t2i('inspect', model, '--json')).out)).toMatchObject({
      defaults: { steps: 4 },
      presets: { strong: { guidanceScale: 12 } },
      warnings: [],
    });
  });
});

describe('a scheduler that is not there', () => {
  it('is replaced with a warning, and shown by inspect with the sampler and the schedule', async () => {
    const model = changed('tcd', 'scheduler/scheduler_config.json', { _class_name: 'TCDScheduler' });
    const image = join(folder, 'tcd.png');
    const { code, err } = await generate(model, '-o', image);
    expect([code, err]).toEqual([0, expect.stringContaining('warning: This package has no TCDScheduler: ddim')]);
    expect(err.match(/TCDScheduler/g)).toHaveLength(1);
    expect((await generate(model, '--sampler', 'ddim', '-o', image)).err).not.toContain('warning');
    const { out } = await t2i('inspect', model);
    expect(out).toMatch(/defaults +4 steps, guidance 1, ddim\n/);
    expect(out).toMatch(/scheduler +TCDScheduler\n/);
    expect(out).toMatch(/noise schedule +scaled_linear/);
    expect(JSON.parse((await t2i('inspect', model, '--json')).out).warnings).toEqual([
      'This package has no TCDScheduler: ddim is used in its place',
    ]);
  });

  it('blocks only the sampler that its settings are of', async () => {
    const model = changed('third-order', 'scheduler/scheduler_config.json', {
      _class_name: 'DPMSolverMultistepScheduler',
      solver_order: 3,
    });
    const image = join(folder, 'third.png');
    const refused = await generate(model, '--sampler', 'dpmpp-2m', '-o', image);
    expect([refused.code, refused.err]).toEqual([2, expect.stringMatching(/--sampler: .*solver_order 3/)]);
    expect((await generate(model, '--sampler', 'ddim', '--steps', '2', '-o', image)).code).toBe(0);
    expect((await t2i('inspect', model)).out).toMatch(/cannot use +dpmpp-2m: .*solver_order 3/);
  });
});

describe('a model into which guidance was distilled', () => {
  it('runs with the scale it is given, and warns of a negative prompt', async () => {
    const images = ['2', '9'].map((scale) => join(folder, `${scale}.png`)) as [string, string];
    const model = fixture('tiny-lcm');
    expect(await generate(model, '--guidance', '2', '-o', images[0])).toMatchObject({ code: 0 });
    const { code, err } = await generate(model, '--guidance', '9', '--negative', 'red', '-o', images[1]);
    expect([code, err]).toEqual([0, expect.stringContaining('guidance was distilled into this model')]);
    const [low, high] = await Promise.all(images.map((path) => readReceipt(path)));
    expect(low?.plan).toMatchObject({ steps: 4, sampler: 'lcm' });
    expect(high?.rgbSha256).not.toBe(low?.rgbSha256);
  });
});
