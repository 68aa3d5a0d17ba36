import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { T2IError } from '../../../src/errors.js';
import { readTextConfig, readUnetConfig, readVaeConfig } from '../../../src/model/configs.js';
import { ModelFiles } from '../../../src/model/model-files.js';
import { Problems } from '../../../src/model/problems.js';
import { scratch } from './model-dir.js';

/** What a reader makes of files, and what it says is wrong with them. */
async function reading<T>(
  contents: Readonly<Record<string, unknown>>,
  read: (files: ModelFiles, problems: Problems) => Promise<T>,
): Promise<[T, ...string[]]> {
  const dir = scratch();
  for (const [path, json] of Object.entries(contents)) {
    mkdirSync(dirname(join(dir, path)), { recursive: true });
    writeFileSync(join(dir, path), JSON.stringify(json));
  }
  const problems = new Problems();
  const result = await read(await ModelFiles.open(dir), problems);
  try {
    problems.throwIfAny();
    return [result];
  } catch (error) {
    const issues = (error as T2IError).issues;
    return [result, ...issues.map(({ option, expected, received }) => `${option}: ${expected}, not ${received}`)];
  }
}
const unet = (json: unknown) => reading({ 'unet/config.json': json }, readUnetConfig);
const text = (json: unknown) => reading({ 'text_encoder/config.json': json }, readTextConfig);
const vae = (json: unknown) =>
  reading({ 'vae/config.json': json }, (files, problems) => readVaeConfig(files, 'onnx', problems));

const NO_UNET = { sampleSize: null, halvings: 3, inChannels: null, crossAttentionDim: null, timeCondProjDim: null };
const NO_TEXT = { contextLength: null, hiddenSize: null, vocabSize: null };
const NO_VAE = { scalingFactor: 0.18215, shiftFactor: 0, factor: null, latentChannels: null };

describe('a configuration', () => {
  it('says nothing where it is not there, or empty', async () => {
    for (const json of [undefined, {}]) {
      const files = (path: string) => (json === undefined ? {} : { [path]: json });
      expect(await reading(files('unet/config.json'), readUnetConfig)).toEqual([NO_UNET]);
      expect(await reading(files('text_encoder/config.json'), readTextConfig)).toEqual([NO_TEXT]);
    }
    expect(await vae({})).toEqual([NO_VAE]);
    expect(await unet({ sample_size: null, block_out_channels: null, in_channels: null })).toEqual([NO_UNET]);
  });

  it.each([[[1]], 'text', 5])('is an object, not %j', async (json) => {
    const [result, issue] = await text(json);
    expect(result).toEqual(NO_TEXT);
    expect(issue).toMatch(/^text_encoder\/config\.json: a JSON object, not /);
  });
});

describe('a number of a configuration', () => {
  it('is whole, from 1 to 2^24', async () => {
    const all = { max_position_embeddings: 1, hidden_size: 2 ** 24, vocab_size: 7 };
    expect(await text(all)).toEqual([{ contextLength: 1, hiddenSize: 2 ** 24, vocabSize: 7 }]);
    const wrong = { max_position_embeddings: 0, hidden_size: 2 ** 24 + 1, vocab_size: 1.5 };
    const option = (field: string) => `text_encoder/config.json: ${field}: an integer from 1 to 16777216, not`;
    const [, ...issues] = await text(wrong);
    expect(issues).toEqual([
      `${option('max_position_embeddings')} 0`,
      `${option('hidden_size')} 16777217`,
      `${option('vocab_size')} 1.5`,
    ]);
  });
});

describe('the sides that a denoiser was trained on', () => {
  const option = 'unet/config.json: sample_size:';
  it('are one number for both, or height and width', async () => {
    expect((await unet({ sample_size: 8 }))[0].sampleSize).toEqual({ height: 8, width: 8 });
    expect((await unet({ sample_size: [8] }))[0].sampleSize).toEqual({ height: 8, width: 8 });
    expect((await unet({ sample_size: [8, 16] }))[0].sampleSize).toEqual({ height: 8, width: 16 });
    expect((await unet({ sample_size: [1, 65_536] }))[0].sampleSize).toEqual({ height: 1, width: 65_536 });
  });

  it.each<[unknown, string]>([
    [[], 'a list of 0'],
    [[8, 8, 8], 'a list of 3'],
    [[8, 0], 'a list of 2'],
    [[65_537, 8], 'a list of 2'],
    [[8, 1.5], 'a list of 2'],
    [['8', 8], 'a list of 2'],
  ])('are not %j', async (value, received) => {
    const expected = 'whole numbers from 1 to 65536: one, or height and width';
    expect(await unet({ sample_size: value })).toEqual([NO_UNET, `${option} ${expected}, not ${received}`]);
  });

  it.each<[unknown, string]>([
    [0, '0'],
    [65_537, '65537'],
    ['8', '"8"'],
  ])('are not %j alone', async (value, received) => {
    const [, ...issues] = await unet({ sample_size: value });
    expect(issues).toEqual([`${option} an integer from 1 to 65536, not ${received}`]);
  });
});

describe('the widths of text that a denoiser takes', () => {
  it('are one, or the largest of up to eight', async () => {
    expect((await unet({ cross_attention_dim: 768 }))[0].crossAttentionDim).toBe(768);
    expect((await unet({ cross_attention_dim: [8, 32, 16] }))[0].crossAttentionDim).toBe(32);
    expect((await unet({ cross_attention_dim: Array(8).fill(5) }))[0].crossAttentionDim).toBe(5);
    expect(await unet({ cross_attention_dim: Array(9).fill(5) })).toEqual([
      NO_UNET,
      'unet/config.json: cross_attention_dim: whole numbers from 1 to 65536, not a list of 9',
    ]);
  });
});

describe('the levels of a network', () => {
  it('are one to eight, of which all but one halve', async () => {
    const levels = (count: number) => ({ block_out_channels: Array(count).fill(1) });
    expect((await unet(levels(1)))[0].halvings).toBe(0);
    expect((await unet(levels(8)))[0].halvings).toBe(7);
    expect((await vae(levels(1)))[0].factor).toBe(1);
    expect((await vae(levels(8)))[0].factor).toBe(128);
    for (const [json, received] of [
      [levels(0), 'a list of 0'],
      [levels(9), 'a list of 9'],
      [{ block_out_channels: 4 }, '4'],
    ] as const) {
      expect(await unet(json)).toEqual([
        NO_UNET,
        `unet/config.json: block_out_channels: a list of 1 to 8, not ${received}`,
      ]);
    }
  });
});

describe('the configuration of an autoencoder', () => {
  it('scales and shifts by numbers within its bounds', async () => {
    for (const [scaling_factor, shift_factor] of [
      [1e-6, -1e6],
      [1e6, 1e6],
    ]) {
      expect((await vae({ scaling_factor, shift_factor, latent_channels: 16 }))[0]).toEqual({
        scalingFactor: scaling_factor,
        shiftFactor: shift_factor,
        factor: null,
        latentChannels: 16,
      });
    }
    const [, ...issues] = await vae({ scaling_factor: 1e-7, shift_factor: 1e7 });
    expect(issues).toEqual([
      'vae/config.json: scaling_factor: a number from 0.000001 to 1000000, not 1e-7',
      'vae/config.json: shift_factor: a number from -1000000 to 1000000, not 10000000',
    ]);
  });

  it('may say that it has no statistics of latents, and none of channels', async () => {
    expect(await vae({ latents_mean: null, latents_std: null })).toEqual([NO_VAE]);
  });

  it('lies beside its graph, or where PyTorch has it', async () => {
    const both = { 'vae_decoder/config.json': { scaling_factor: 2 }, 'vae/config.json': { scaling_factor: 3 } };
    const scaling = async (weights: 'onnx' | 'safetensors') =>
      (await reading(both, (files, problems) => readVaeConfig(files, weights, problems)))[0].scalingFactor;
    expect([await scaling('onnx'), await scaling('safetensors')]).toEqual([2, 3]);
  });
});
