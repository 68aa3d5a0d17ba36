import { describe, expect, it } from 'vitest';
import type { Params } from '../../../../src/ops/params/schema.js';
import { freshProject, mistakes, write } from './params-folder.js';

freshProject();

describe('the parameters of a training', () => {
  it('fit the machines of SageMaker where it trains there, and no others', async () => {
    const wrong = { training: { precision: 'bf16', batch_size: 5 } };
    const refused = {
      'training.batch_size': 'a multiple of 2, for 2 x 1 GPUs and 1 accumulation steps, not 5',
      'training.precision': 'fp16 on ml.g4dn.xlarge, whose GPU has no bf16, not bf16',
    };
    expect(await mistakes(wrong)).toEqual({});
    expect(await mistakes(wrong, { place: 'local-sagemaker' })).toEqual(refused);
    const away = { ...wrong, pytorch_estimator: { train_on: 'sagemaker' } };
    expect(await mistakes(away)).toEqual(refused);
    expect(await mistakes(away, { place: 'here' })).toEqual({});
  });

  it('are checked as flags replace them', async () => {
    write('base/unet/config.json', {});
    const lora = { training: { lora_rank: 4 } };
    const replace = (params: Params) => ({ ...params, unet: { ...params.unet, init_from: 'base' } });
    expect(Object.keys(await mistakes(lora))).toEqual(['unet.init_from']);
    expect(await mistakes(lora, { replace })).toEqual({});
  });

  it('need as many images as are trained on, but only to train', async () => {
    for (const name of ['a.png', 'b.JPG', 'notes.txt']) write(`data/raw/dataset/images/${name}`, '');
    const params = { data: { train_size: 64, val_size: 1 } };
    expect(await mistakes(params)).toEqual({});
    expect(await mistakes(params, { trains: true })).toEqual({
      'data.train_size': 'at most 2 with val_size, the images below data/raw/dataset, not 64 + 1',
    });
  });

  it('name every folder of a model that is not there before a training', async () => {
    write('sd/unet/config.json', {});
    const params = {
      clip: { model: '../texxt' },
      vae: { model: 'runs/run_1-vae/vae' },
      unet: { init_from: 'nope' },
      evaluate: { clip_model: './sd' },
    };
    expect(await mistakes(params)).toEqual({});
    expect(await mistakes(params, { trains: true })).toEqual({
      'clip.model': 'a folder, or a name on the Hub, not ../texxt, where none is',
      'vae.model': 'a folder, or a name on the Hub, not runs/run_1-vae/vae, where none is',
      'unet.init_from': 'a diffusers folder with unet/config.json, not nope, where none is',
    });
    expect(await mistakes({ unet: { init_from: './sd' }, clip: { model: 'gpt2' } }, { trains: true })).toEqual({});
  });
});
