import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { readParams } from '../../../../src/ops/params/read.js';
import { PARAMS } from '../../../../src/ops/params/schema.js';
import { renderTemplate } from '../../../../src/ops/params/template.js';
import { freshProject, mistakes, project, read, write } from './params-folder.js';

freshProject();

describe('params.yaml', () => {
  it('may leave everything out', async () => {
    expect((await read('')).params).toEqual(PARAMS.parse({}));
    expect((await read('training:\n  batch_size: 8\n')).params.training).toMatchObject({
      batch_size: 8,
      num_epochs: 75,
    });
  });

  it('is what the template says, which has every key', async () => {
    const template = parse(renderTemplate());
    expect(template).toEqual(PARAMS.parse({}));
    // Each key on a line with its description.
    const keys = renderTemplate().match(/^ {2}\w+:.*$/gm) ?? [];
    expect(keys).toHaveLength(Object.values(template).flatMap((section) => Object.keys(section as object)).length);
    expect(keys.filter((line) => !/ {2}# \S/.test(line))).toEqual([]);
    expect((await read(renderTemplate())).params).toEqual(PARAMS.parse({}));
    expect((await read(renderTemplate())).warnings).toEqual([]);
  });

  it('reads lists as text with commas, and numbers as text', async () => {
    const { params } = await read({
      vae: { image_size: '64,128' },
      unet: {
        image_size: '8,16',
        block_out_channels: '64, 128',
        down_block_types: 'DownBlock2D,CrossAttnDownBlock2D',
        up_block_types: ['CrossAttnUpBlock2D', 'UpBlock2D'],
      },
      training: { unet_learning_rate: '1e-4', weight_decay: '1e-2' },
    });
    expect(params.vae.image_size).toEqual([64, 128]);
    expect(params.unet).toMatchObject({
      block_out_channels: [64, 128],
      down_block_types: ['DownBlock2D', 'CrossAttnDownBlock2D'],
    });
    expect(params.training).toMatchObject({ unet_learning_rate: 1e-4, weight_decay: 0.01 });
    // YAML 1.1 takes the first for text.
    expect((await read('training: { unet_learning_rate: 5e-5 }')).params.training.unet_learning_rate).toBe(5e-5);
  });

  it('tells every mistake at once, with the nearest name of an unknown key', async () => {
    expect(
      await mistakes({
        trainig: {},
        data: 3,
        unet: { dropout: 1, act_fn: 'tanh', block_out_channels: '64,wide' },
        training: { batchsize: 4, unet_learning_rate: 'fast', precision: 'bf32', use_ema: 'yes' },
      }),
    ).toEqual({
      trainig: 'unknown option; did you mean "training"?',
      data: 'an object, not 3',
      'unet.dropout': 'a number from 0 to 0.999, not 1',
      'unet.act_fn': 'one of silu, swish, mish, gelu, relu, not "tanh"',
      'unet.block_out_channels.1': 'an integer from 1 to 8192, not undefined',
      'training.batchsize': 'unknown option; did you mean "batch_size"?',
      'training.unet_learning_rate': 'a number above 0, at most 1, not "fast"',
      'training.precision': 'one of fp32, bf16, fp16, not "bf32"',
      'training.use_ema': 'true or false, not "yes"',
    });
    expect(await mistakes({ unet: { block_out_channels: [64, 'wide'] } })).toEqual({
      'unet.block_out_channels.1': 'an integer from 1 to 8192, not "wide"',
    });
  });

  it('tells a secret once, and that a key of one does not belong there', async () => {
    expect(await mistakes({ mlflow: { tracking_password: 'sesame' }, huggingface: { token: 'YOUR_TOKEN' } })).toEqual({
      'mlflow.tracking_password': expect.stringMatching(
        /^looks like a secret, .* set MLFLOW_TRACKING_PASSWORD in .env$/,
      ),
      'huggingface.token': 'does not belong here: secrets come from the environment or .env; delete the line',
    });
    await expect(read({ mlflow: { tracking_password: 'sesame' } })).rejects.toMatchObject({
      issues: [{ received: 'a secret' }],
      hint: 'Correct params.yaml, then run t2i params check.',
    });
  });

  it('tells a mistake once', async () => {
    const text = `training: {num_epochs: 99999999999999999999}\nexport: {licence: "${'x'.repeat(101)}\\n"}`;
    await expect(read(text)).rejects.toMatchObject({
      issues: [{ option: 'params.yaml: training.num_epochs' }, { option: 'params.yaml: export.licence' }],
    });
  });

  it.each([
    ['training: {batch_size: 4', 'end with a }'],
    ['training:\n  batch_size: 4\n  batch_size: 8\n', 'Map keys must be unique at line 3'],
    ['a: 1\nb: *c', 'Unresolved alias'],
    ['data: &d\n  raw: *d', '*d stands for what it is itself a part of, at line 2, column 8'],
    ['- &d [x, [*d]]', '*d stands for what it is itself a part of, at line 1, column 11'],
  ])('says what is wrong with what is no YAML: %j', async (text, problem) => {
    await expect(read(text)).rejects.toMatchObject({
      code: 'OPTION_INVALID',
      message: expect.stringContaining(problem),
      hint: 'Correct params.yaml.',
    });
  });

  it('does not repeat a file that is no text', async () => {
    const error = await read(`"a"\n]${'y'.repeat(10_000)}`).catch((thrown: Error) => thrown);
    expect((error as Error).message.length).toBeLessThan(500);
    expect((error as Error).message).toContain('at line 2, column 2');
  });

  it('does not unfold a small file into gigabytes', async () => {
    const levels = [
      'a: &a [x,x,x,x,x,x,x,x,x]',
      ...'bcdefghi'.split('').map((name, at) => {
        const inner = `*${'abcdefgh'[at]}`;
        return `${name}: &${name} [${Array(9).fill(inner).join(',')}]`;
      }),
    ];
    await expect(read(levels.join('\n'))).rejects.toMatchObject({ code: 'OPTION_INVALID' });
  });

  it('says what to do where there is none', async () => {
    for (const without of [project(), join(project(), 'gone')])
      await expect(readParams(without)).rejects.toMatchObject({
        code: 'OPTION_INVALID',
        hint: expect.stringMatching(/t2i init/),
      });
    write('params.yaml.template', '');
    await expect(readParams(project())).rejects.toMatchObject({ hint: 'cp params.yaml.template params.yaml' });
    write('params.yaml/file', '');
    await expect(readParams(project())).rejects.toMatchObject({ code: 'IO_FAILED' });
  });
});

describe('rules between parameters', () => {
  it.each<[string, object, Record<string, string>]>([
    [
      'blocks a level',
      { unet: { down_block_types: ['DownBlock2D'], up_block_types: ['UpBlock2D', 'UpBlock2D'] } },
      {
        'unet.down_block_types': '3 parts, one for each of block_out_channels, not 1',
        'unet.up_block_types': '3 parts, one for each of block_out_channels, not 2',
      },
    ],
    [
      'groups',
      { unet: { block_out_channels: [64, 80, 96] } },
      { 'unet.block_out_channels': 'multiples of norm_num_groups 32, not 80' },
    ],
    [
      'width of the text',
      { unet: { cross_attention_dim: 512 } },
      { 'unet.cross_attention_dim': '768, the width of openai/clip-vit-large-patch14, not 512' },
    ],
    [
      'length of the text',
      { clip: { max_length: 78 } },
      { 'clip.max_length': 'at most the 77 tokens that openai/clip-vit-large-patch14 takes, not 78' },
    ],
    [
      'latents',
      { unet: { image_size: [16, 32] } },
      { 'unet.image_size': 'the width 16, that of vae.image_size by 8, not 32' },
    ],
    [
      'size of the image',
      { vae: { image_size: [128, 100] }, unet: { image_size: [16, 16] } },
      { 'vae.image_size': 'a width that is a multiple of 8, not 100' },
    ],
    [
      'levels',
      { vae: { image_size: 80 }, unet: { image_size: 10 } },
      { 'unet.image_size': 'a width that 4 divides, since each level halves it, not 10' },
    ],
    ['channels', { unet: { in_channels: 3 } }, { 'unet.in_channels': "4, the autoencoder's latent channels, not 3" }],
    [
      'zero terminal SNR',
      { DDPMScheduler: { rescale_betas_zero_snr: true } },
      {
        'DDPMScheduler.prediction_type':
          'v_prediction with rescale_betas_zero_snr: of pure noise no noise can be told, not epsilon',
      },
    ],
    [
      'betas',
      { DDPMScheduler: { beta_schedule: 'linear', beta_end: 0.0001 } },
      { 'DDPMScheduler.beta_end': 'more than beta_start 0.00085, not 0.0001' },
    ],
    [
      'parts of a batch',
      { training: { gradient_accumulation_steps: 3 } },
      { 'training.batch_size': 'a multiple of gradient_accumulation_steps 3, not 64' },
    ],
    [
      'machines',
      { pytorch_estimator: { instance_count: 3 } },
      { 'training.batch_size': 'a multiple of 3, for 3 x 1 GPUs and 1 accumulation steps, not 64' },
    ],
    [
      'GPUs of machines',
      { pytorch_estimator: { instance_count: 4, instance_type: 'ml.p4d.24xlarge' }, training: { batch_size: 16 } },
      { 'training.batch_size': 'a multiple of 32, for 4 x 8 GPUs and 1 accumulation steps, not 16' },
    ],
    ['a batch of all', { data: { train_size: 60 } }, { 'training.batch_size': 'at most data.train_size 60, not 64' }],
    [
      'bf16 on a T4',
      { training: { precision: 'bf16' } },
      { 'training.precision': 'fp16 on ml.g4dn.xlarge, whose GPU has no bf16, not bf16' },
    ],
    [
      'a GPU that CUDA has left',
      { pytorch_estimator: { instance_type: 'ml.g3s.xlarge' } },
      {
        'pytorch_estimator.instance_type':
          'ml.g4dn, ml.g5 or ml.g6: CUDA no longer runs on older GPUs, not ml.g3s.xlarge',
      },
    ],
    [
      'spot machines',
      { pytorch_estimator: { max_wait: 3600 } },
      { 'pytorch_estimator.max_wait': 'at least max_run 14400, not 3600' },
    ],
  ])('%s', async (_, params, expected) => {
    expect(await mistakes(params, { place: 'sagemaker' })).toEqual(expected);
  });

  it('allow what is only odd, with a warning', async () => {
    const { warnings } = await read({
      unet: { attention_head_dim: 12, block_out_channels: [64, 128, 256] },
      data: { flip: true },
      training: { caption_dropout: 0 },
    });
    expect(warnings).toEqual([
      'unet.attention_head_dim: 12 heads do not divide 64 channels; each has 5',
      'unet.attention_head_dim: 12 heads do not divide 128 channels; each has 10',
      'unet.attention_head_dim: 12 heads do not divide 256 channels; each has 21',
      expect.stringMatching(/^data\.flip: /),
      expect.stringMatching(/^training\.caption_dropout: /),
    ]);
  });

  it('leave the keys of a UNet alone that is trained further', async () => {
    const unet = {
      init_from: './sd',
      cross_attention_dim: 5,
      in_channels: 3,
      image_size: 7,
      block_out_channels: [5, 5],
    };
    expect(await mistakes({ unet })).toEqual({});
  });

  it('ask nothing of a text encoder of which nothing is known', async () => {
    write('text/config.json', { hidden_size: 'wide', max_position_embeddings: null });
    for (const model of ['own/encoder', 'text'])
      expect(await mistakes({ clip: { model, max_length: 4096 }, unet: { cross_attention_dim: 5 } })).toEqual({});
  });

  it('take what the models at hand say', async () => {
    write('text/config.json', { text_config: { hidden_size: 32, max_position_embeddings: 24 } });
    write('vae/config.json', { block_out_channels: [8, 8], latent_channels: 16 });
    const params = {
      clip: { model: 'text', max_length: 25 },
      vae: { model: 'vae', image_size: 32 },
    };
    expect(await mistakes(params)).toEqual({
      'unet.in_channels': "16, the autoencoder's latent channels, not 4",
      'unet.out_channels': "16, the autoencoder's latent channels, not 4",
      'unet.cross_attention_dim': '32, the width of text, not 768',
      'clip.max_length': 'at most the 24 tokens that text takes, not 25',
    });
  });

  it.each(['/etc', '../other', 'data/..', 'data\\raw', 'data\u2028/../../etc'])(
    'name no path outside: %j',
    async (path) => {
      const below = expect.stringContaining('a path below the project');
      const found = await mistakes({ data: { raw: path }, pytorch_estimator: { entry_point: path } });
      expect(found).toEqual({ 'data.raw': below, 'pytorch_estimator.entry_point': below });
    },
  );

  it('name repositories of the Hub and an address of a server', async () => {
    const params = {
      huggingface: { model_repo: 'a b', space_repo: 'flowers' },
      mlflow: { server_uri: 'localhost:5000' },
    };
    expect(await mistakes(params)).toEqual({
      'huggingface.model_repo': 'OWNER/NAME of a repository on the Hub, not "a b"',
      'huggingface.space_repo': 'OWNER/NAME of a repository on the Hub, not "flowers"',
      'mlflow.server_uri':
        'an address such as https://host/path; user and password belong into the environment or .env, not "localhost:5000"',
    });
  });
});
