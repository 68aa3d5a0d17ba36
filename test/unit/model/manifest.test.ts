import { linkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { describeModel } from '../../../src/model/layout.js';
import { parseManifest } from '../../../src/model/manifest.js';
import { refusal, scratch, writeModel } from './model-dir.js';
import { externalTensor, FLOAT, input, model, output } from './onnx-writer.js';

const HASH = 'a'.repeat(64);
const MANIFEST = {
  formatVersion: 1,
  name: 'tiny',
  files: { 'unet/model.onnx': HASH },
  defaults: { steps: 30, guidanceScale: 7.5, sampler: 'ddim' },
  training: { steps: 1 },
  dataFingerprint: 'x',
  nullEmbeddingSha256: HASH,
  evaluation: null,
  licence: 'Apache-2.0',
};

describe('parseManifest', () => {
  it('gives what it was given', () => {
    expect(parseManifest(MANIFEST)).toEqual(MANIFEST);
  });

  it.each<[string, unknown, RegExp]>([
    ['no object', 'x', /formatVersion.*none/],
    ['no version', { ...MANIFEST, formatVersion: undefined }, /formatVersion/],
    ['a later version', { ...MANIFEST, formatVersion: 2 }, /formatVersion.*received 2/],
    ['a hash that is none', { ...MANIFEST, files: { a: 'x' } }, /files: a.*SHA-256/],
    ['an unknown field', { ...MANIFEST, extra: 1 }, /extra/],
    ['words in a list', { ...MANIFEST, words: ['a'] }, /words/],
    ['a preset of nothing', { ...MANIFEST, presets: { fast: {} } }, /presets: fast/],
    ['a preset of something else', { ...MANIFEST, presets: { fast: { size: 8 } } }, /presets: fast.*size/],
    ['a preset without a name', { ...MANIFEST, presets: { 'A b': { steps: 8 } } }, /presets: A b/],
    ['steps of 0', { ...MANIFEST, defaults: { ...MANIFEST.defaults, steps: 0 } }, /defaults: steps/],
    ['a name with a slash', { ...MANIFEST, name: '../x' }, /name.*letters/],
  ])('refuses %s', (_, json, message) => {
    expect(() => parseManifest(json)).toThrow(
      expect.objectContaining({ code: 'MODEL_INVALID', message: expect.stringMatching(message) }),
    );
  });

  it('names every wrong field at once', () => {
    expect(() => parseManifest({ ...MANIFEST, licence: 1, dataFingerprint: 2 })).toThrow(/dataFingerprint.*licence/);
  });
});

describe('the samplers of a manifest', () => {
  it.each<[string, object, RegExp]>([
    [
      'an unknown one',
      { defaults: { ...MANIFEST.defaults, sampler: 'dimm' } },
      /t2i\.json: defaults: sampler: expected one of ddim, .*"dimm"/,
    ],
    [
      'an unknown one of a preset',
      { presets: { fast: { sampler: 'toString' } } },
      /presets: fast: sampler: expected one of ddim/,
    ],
    [
      'more steps than it takes',
      { presets: { fast: { sampler: 'lcm', steps: 51 } } },
      /presets: fast: steps: expected at most 50 with sampler lcm, received 51/,
    ],
    [
      'more steps than the default one takes',
      { defaults: { ...MANIFEST.defaults, sampler: 'lcm', steps: 60 } },
      /defaults: steps: expected at most 50/,
    ],
  ])('are checked at load: %s', async (_, changes, message) => {
    const dir = writeModel({ 't2i.json': JSON.stringify({ ...MANIFEST, files: {}, ...changes }) });
    expect(await refusal(dir)).toMatch(message);
  });

  it('may have as many steps as their sampler takes', async () => {
    const presets = { fast: { sampler: 'lcm', steps: 50 } };
    const dir = writeModel({ 't2i.json': JSON.stringify({ ...MANIFEST, files: {}, presets }) });
    expect((await describeModel(dir)).manifest?.presets).toMatchObject(presets);
  });

  it('are checked against the schedule', async () => {
    const dir = writeModel({
      't2i.json': JSON.stringify({ ...MANIFEST, files: {} }),
      'scheduler/scheduler_config.json': JSON.stringify({ thresholding: true }),
    });
    expect(await refusal(dir)).toMatch(/defaults: sampler: expected another one \(.*thresholding true; ddim needs/);
  });

  it('of presets are read', async () => {
    const presets = { fast: { steps: 8, sampler: 'dpmpp-2m', guidanceScale: 2 }, best: { steps: 100 } };
    const dir = writeModel({ 't2i.json': JSON.stringify({ ...MANIFEST, files: {}, presets }) });
    expect((await describeModel(dir)).manifest?.presets).toEqual(presets);
  });
});

describe('a model with a manifest', () => {
  const write = (dir: string, files: Record<string, string>) =>
    writeFileSync(join(dir, 't2i.json'), JSON.stringify({ ...MANIFEST, files }));

  it('has its name, and is described where every hash agrees', async () => {
    const dir = writeModel();
    write(dir, (await describeModel(dir)).hashes);
    expect(await describeModel(dir)).toMatchObject({ name: 'tiny', manifest: { dataFingerprint: 'x' } });
  });

  it('is refused where a file is not what the manifest lists', async () => {
    const dir = writeModel();
    const { hashes } = await describeModel(dir);
    write(dir, { ...hashes, 'unet/config.json': HASH, 'tokenizer/merges.txt': HASH });
    const message = await refusal(dir);
    expect(message).toMatch(/tokenizer\/merges\.txt: expected SHA-256 a+ as t2i\.json lists.*unet\/config\.json/);
  });

  it('is refused where the manifest is damaged', async () => {
    expect(await refusal(writeModel({ 't2i.json': '{' }))).toMatch(/t2i\.json: expected JSON/);
  });

  it('may share its data by hard links, as package managers do, where the manifest vouches for the content', async () => {
    const graph = model([
      input('z', FLOAT, ['b', 4, 'h', 'w']),
      output('image', FLOAT, ['b', 3, 'h', 'w']),
      externalTensor('w', [10], { location: 'model.weights' }),
    ]);
    const dir = writeModel({ 'vae_decoder/model.onnx': graph, 'vae_decoder/model.weights': Buffer.alloc(40) });
    const { hashes } = await describeModel(dir);
    linkSync(join(dir, 'vae_decoder/model.weights'), join(scratch(), 'store'));
    expect(await refusal(dir)).toMatch(/hard link/);
    write(dir, hashes);
    expect((await describeModel(dir)).hashes).toEqual(hashes);
  });
});
