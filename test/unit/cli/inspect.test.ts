import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { main } from '../../../src/cli/main.js';
import { GeneratedImage } from '../../../src/image/generated-image.js';
import { hashArrays } from '../../../src/image/receipt.js';
import { fakeIo } from '../../support/fake-io.js';
import { gradient, receiptOf } from '../../support/receipts.js';
import { writeModel } from '../model/model-dir.js';

const fixture = (name: string) => fileURLToPath(new URL(`../../fixtures/${name}`, import.meta.url));

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 't2i-inspect-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

async function inspect(...argv: string[]) {
  const io = fakeIo();
  return { code: await main(['inspect', ...argv], io), out: io.out(), err: io.err() };
}
/** The rows of a table, each with its lines. */
function rowsOf(out: string): Record<string, string> {
  const width = /^(.+? {2,})\S/.exec(out)?.[1]?.length ?? 0;
  const rows: [string, string][] = [];
  for (const line of out.trimEnd().split('\n')) {
    const label = line.slice(0, width).trim();
    const last = rows.at(-1);
    if (label === '' && last) last[1] += `\n${line.slice(width)}`;
    else rows.push([label, line.slice(width)]);
  }
  return Object.fromEntries(rows);
}

describe('t2i inspect', () => {
  it('shows the receipt of an image, and what it leaves open', async () => {
    const image = gradient();
    const receipt = receiptOf({ rgbSha256: hashArrays(image.rgb) });
    const plan = { ...receipt.plan, sampler: 'ddim', sigmas: 'karras', eta: 0.5 } as const;
    const files = { plain: receipt, all: { ...receipt, negativePrompt: '', plan } };
    for (const [name, held] of Object.entries(files))
      await new GeneratedImage(image.rgb, held).toFile(join(folder, `${name}.png`));
    const hash = receipt.plan.sha256;
    const { code, out, err } = await inspect(join(folder, 'plain.png'));
    expect([code, err]).toEqual([0, '']);
    expect(rowsOf(out)).toEqual({
      ...{ prompt: 'a red apple', 'negative prompt': 'blurry', seed: '7', size: '24x16', steps: '30' },
      ...{ sampler: 'euler-a', sigmas: "(the model's own)", eta: '(not taken)', guidance: '7.5' },
      ...{ model: `tiny\n${hash.slice(0, 16)}  unet/model.onnx`, backend: 'onnxruntime (onnxruntime-node 1.30.0)' },
      ...{ 'made by': '@t2i/sdk 0.1.0', pixels: `sha256 ${receipt.rgbSha256}` },
    });
    expect(rowsOf((await inspect(join(folder, 'all.png'))).out)).toMatchObject({
      ...{ 'negative prompt': '(none)', sampler: 'ddim', sigmas: 'karras', eta: '0.5' },
    });
    expect(JSON.parse((await inspect(join(folder, 'all.png'), '--json')).out)).toEqual(files.all);
  });

  it('shows what a model takes, gives and refuses', async () => {
    const { code, out, err } = await inspect(fixture('tiny'));
    expect([code, err]).toEqual([0, '']);
    const rows = rowsOf(out);
    expect(rows).toMatchObject({
      ...{ model: 'tiny', directory: fixture('tiny'), prediction: 'epsilon' },
      'image size': expect.stringMatching(/^\d+x\d+, or multiples of \d+$/),
      defaults: expect.stringMatching(/^\d+ steps, guidance [\d.]+, [\w-]+$/),
      latents: expect.stringMatching(/^4 channels, 1\/\d+ of the size, scaling [\d.]+$/),
      'noise schedule': expect.stringMatching(/^\w+, \d+ training timesteps$/),
      tokenizer: expect.stringMatching(/^context of \d+ tokens, padding \d+$/),
      unet: expect.stringMatching(/^sample float32\[\?,4,\?,\?\]\n/),
      files: expect.stringMatching(/^[0-9a-f]{16} {2}\S+(\n[0-9a-f]{16} {2}\S+)+$/),
    });
    expect(Object.keys(rows)).toEqual([
      ...['model', 'directory', 'image size', 'latents', 'defaults', 'scheduler', 'prediction', 'noise schedule'],
      ...['spacing', 'tokenizer', 'text states', 'text encoder', 'unet', 'vae decoder', 'files'],
    ]);
    const told = JSON.parse((await inspect(fixture('tiny'), '--json')).out);
    expect(told).toMatchObject({ name: 'tiny', dir: fixture('tiny'), defaults: expect.any(Object), warnings: [] });
    expect(told).not.toHaveProperty('stamps');
  });

  it('shows the licence, the presets and their own defaults of a model that was exported', async () => {
    const dir = writeModel();
    const { hashes } = JSON.parse((await inspect(dir, '--json')).out);
    const presets = {
      fast: { steps: 4, guidanceScale: 1.5, sampler: 'lcm' },
      long: { steps: 90 },
      free: { guidanceScale: 0 },
    };
    const manifest = {
      ...{ formatVersion: 1, name: 'flowers', files: hashes, licence: 'CC-BY-4.0', presets },
      ...{ defaults: { steps: 20, guidanceScale: 3, sampler: 'euler' }, training: {}, evaluation: null },
      ...{ dataFingerprint: 'x', nullEmbeddingSha256: 'a'.repeat(64) },
    };
    writeFileSync(join(dir, 't2i.json'), JSON.stringify(manifest));
    const { code, out, err } = await inspect(dir);
    expect([code, err]).toEqual([0, '']);
    expect(Object.keys(rowsOf(out)).slice(0, 3)).toEqual(['model', 'directory', 'licence']);
    expect(rowsOf(out)).toMatchObject({
      ...{ model: 'flowers', licence: 'CC-BY-4.0', defaults: '20 steps, guidance 3, euler' },
      presets: 'fast: 4 steps, guidance 1.5, lcm\nlong: 90 steps\nfree: guidance 0',
    });
    expect(JSON.parse((await inspect(dir, '--json')).out)).toMatchObject({ presets, defaults: manifest.defaults });
  });

  it('warns of a scheduler that is replaced, for people and for programs, and says why samplers are refused', async () => {
    const write = (config: object) => writeModel({ 'scheduler/scheduler_config.json': JSON.stringify(config) });
    const heun = write({ _class_name: 'HeunDiscreteScheduler' });
    const { code, out, err } = await inspect(heun);
    expect([code, err]).toEqual([0, expect.stringMatching(/^warning: .*HeunDiscreteScheduler: euler is used.*\n$/)]);
    expect(rowsOf(out)).toMatchObject({
      scheduler: 'HeunDiscreteScheduler',
      defaults: expect.stringMatching(/ euler$/),
    });
    const told = await inspect(heun, '--json');
    expect(JSON.parse(told.out).warnings).toEqual([expect.stringContaining('HeunDiscreteScheduler')]);
    expect(told.err).toBe(err);
    const nameless = rowsOf((await inspect(write({ thresholding: true }))).out);
    expect(nameless.scheduler).toBe('(none named)');
    const refused = nameless['cannot use']?.split('\n') ?? [];
    expect(refused).toContainEqual(expect.stringMatching(/^ddim: scheduler_config.json has thresholding true/));
    expect(refused.filter((line) => !/^[\w-]+: scheduler_config\.json has /.test(line))).toEqual([]);
  });

  it('shows the default model where none is named', async () => {
    expect(rowsOf((await inspect()).out)).toMatchObject({ model: 'emoji-128', presets: expect.stringContaining(': ') });
  });

  it('takes a slip in the name of an image for that, and no file for a model', async () => {
    for (const name of ['absent.png', 'absent.jpg', 'absent.JPEG', 'absent.webp']) {
      const { code, err } = await inspect(join(folder, name));
      expect([name, code, err]).toEqual([name, 1, expect.stringContaining(name)]);
    }
    for (const name of ['absent', 'absent.png-models']) {
      const { code, err } = await inspect(join(folder, name));
      expect([name, code, err]).toEqual([name, 3, expect.stringContaining(name)]);
    }
  });
});
