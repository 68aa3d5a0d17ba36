import { describe, expect, it } from 'vitest';
import { describeIssue } from '../../../../src/errors.js';
import { checkParams, type ModelFacts } from '../../../../src/ops/params/check.js';
import type { Place } from '../../../../src/ops/params/places.js';
import { PARAMS } from '../../../../src/ops/params/schema.js';

const check = (params: object, facts: ModelFacts = {}, place: Place = 'sagemaker') => {
  const { issues, warnings } = checkParams(PARAMS.parse(params), facts, place);
  return { issues: issues.map(describeIssue), warnings };
};

describe('parameters at a limit', () => {
  it.each<[string, object, ModelFacts?]>([
    ['all of the images', { data: { train_size: 64, val_size: 6 } }, { images: 70 }],
    ['images that are not there yet', {}, { images: 0 }],
    ['images that nobody counted', {}],
    ['a batch of the whole set', { data: { train_size: 64 }, training: { batch_size: 64 } }],
    ['a text as long as the encoder takes', { clip: { max_length: 24 } }, { textPositions: 24, textWidth: 768 }],
    [
      'an encoder of which nothing is known',
      { clip: { model: 'own', max_length: 80 }, unet: { cross_attention_dim: 5 } },
    ],
    ['a machine that waits as long as it runs', { pytorch_estimator: { max_wait: 14400, max_run: 14400 } }],
    [
      'a wait that nothing is waited for',
      { pytorch_estimator: { use_spot_instances: false, max_wait: 60, max_run: 14400 } },
    ],
    [
      'bf16 on a GPU that has it',
      { training: { precision: 'bf16' }, pytorch_estimator: { instance_type: 'ml.g5.xlarge' } },
    ],
    ['betas that rise', { DDPMScheduler: { beta_schedule: 'linear' } }],
    [
      'betas of a schedule that computes its own',
      { DDPMScheduler: { beta_schedule: 'squaredcos_cap_v2', beta_start: 0.02, beta_end: 0.01 } },
    ],
    [
      'zero terminal SNR with v_prediction',
      { DDPMScheduler: { rescale_betas_zero_snr: true, prediction_type: 'v_prediction' } },
    ],
    ['heads and blocks of each level', { unet: { attention_head_dim: '8,12,18', layers_per_block: [1, 2, 2] } }],
    ['LoRA of a folder', { unet: { init_from: './sd' }, training: { lora_rank: 4 } }],
    ['weights in parts without LoRA', { training: { strategy: 'zero3' } }],
    ['no least improvement, and nothing that waits for one', { training: { min_delta: 0, patience: null } }],
    ['a place for promoted models', { log_trained_model: { remote: 's3://models/flowers' } }],
    ['a least improvement that patience counts', { training: { min_delta: 0.1, patience: 1 } }],
    ['an autoencoder of another factor', { vae: { image_size: 64 }, unet: { image_size: 16 } }, { vaeFactor: 4 }],
  ])('are taken: %s', (_, params, facts) => {
    expect(check(params, facts).issues).toEqual([]);
  });

  it.each<[string, object, string[], ModelFacts?]>([
    [
      'one image fewer than all of both sets',
      { data: { train_size: 64, val_size: 7 } },
      ['data.train_size: expected at most 70 with val_size, the images below data/raw/dataset, received 64 + 7'],
      { images: 70 },
    ],
    [
      'a height that the autoencoder does not divide',
      { vae: { image_size: [100, 128] } },
      ['vae.image_size: expected a height that is a multiple of 8, received 100'],
    ],
    [
      'a height that is not that of the latents',
      { unet: { image_size: [8, 16] } },
      ['unet.image_size: expected the height 16, that of vae.image_size by 8, received 8'],
    ],
    [
      'betas that do not rise',
      { DDPMScheduler: { beta_schedule: 'linear', beta_start: 0.01, beta_end: 0.01 } },
      ['DDPMScheduler.beta_end: expected more than beta_start 0.01, received 0.01'],
    ],
    [
      'heads and blocks of some of the levels',
      { unet: { attention_head_dim: [8, 8], layers_per_block: [1, 1, 1, 1] } },
      [
        'unet.layers_per_block: expected 3 parts, one for each of block_out_channels, received 4',
        'unet.attention_head_dim: expected 3 parts, one for each of block_out_channels, received 2',
      ],
    ],
    [
      'a least improvement that nothing waits for',
      { training: { min_delta: 0.1, patience: null } },
      ['training.patience: expected a number of validations, which min_delta needs, received null'],
    ],
    [
      'LoRA of nothing, and of weights in parts',
      { training: { lora_rank: 4, strategy: 'zero3' } },
      [
        'unet.init_from: expected a diffusers folder with unet/config.json, which training.lora_rank adapts, received null',
        'training.strategy: expected ddp, zero1 or zero2 with lora_rank, received zero3',
      ],
    ],
    [
      'a place for promoted models that is a whole bucket',
      { log_trained_model: { remote: 's3://models' } },
      [
        'log_trained_model.remote: expected s3://BUCKET/PREFIX, received "s3://models", which has no prefix after the bucket',
      ],
    ],
    [
      'bf16 on a V100',
      { training: { precision: 'bf16' }, pytorch_estimator: { instance_type: 'ml.p3.2xlarge' } },
      ['training.precision: expected fp16 on ml.p3.2xlarge, whose GPU has no bf16, received bf16'],
    ],
    [
      'a GPU of 2016 with bf16, both told',
      { training: { precision: 'bf16' }, pytorch_estimator: { instance_type: 'ml.p2.xlarge' } },
      [
        'pytorch_estimator.instance_type: expected ml.g4dn, ml.g5 or ml.g6: CUDA no longer runs on older GPUs, received ml.p2.xlarge',
        'training.precision: expected fp16 on ml.p2.xlarge, whose GPU has no bf16, received bf16',
      ],
    ],
  ])('are refused: %s', (_, params, issues, facts) => {
    expect(check(params, facts).issues).toEqual(issues);
  });

  it('are no warning where heads divide the channels, or where the model is trained further', () => {
    expect(check({ unet: { attention_head_dim: 8, block_out_channels: [64, 128, 256] } }).warnings).toEqual([]);
    expect(check({ unet: { attention_head_dim: 7, init_from: './sd' } }).warnings).toEqual([]);
    expect(check({ unet: { attention_head_dim: 6, block_out_channels: [96, 128, 192] } }).warnings).toEqual([
      'unet.attention_head_dim: 6 heads do not divide 128 channels; each has 21',
    ]);
    const each = { attention_head_dim: [8, 6, 8], block_out_channels: [64, 96, 100], norm_num_groups: 4 };
    expect(check({ unet: each }).warnings).toEqual([
      'unet.attention_head_dim: 8 heads do not divide 100 channels; each has 12',
    ]);
  });
});
