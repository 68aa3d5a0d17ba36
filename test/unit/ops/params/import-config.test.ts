import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { importConfig } from '../../../../src/ops/params/import-config.js';
import { PARAMS } from '../../../../src/ops/params/schema.js';

const OLD = `
data: {train_size: 30, val_size: 3, raw_data_path: "data/raw/flowers.zip"}
vae: {image_size: "128,128", learning_rate: 5e-5}
unet:
  image_size: "16,16"
  in_channels: 4
  out_channels: 4
  down_block_types: "CrossAttnDownBlock2D,DownBlock2D,CrossAttnDownBlock2D"
  up_block_types: "CrossAttnUpBlock2D,UpBlock2D,CrossAttnUpBlock2D"
  mid_block_type: "UNetMidBlock2DCrossAttn"
  block_out_channels: "64,128,256"
  layers_per_block: 2
  norm_num_groups: 32
  cross_attention_dim: 512
  attention_head_dim: 12
  dropout: 0.1
  time_embedding_type: "positional"
  act_fn: "silu"
  learning_rate: 1e-3
ddpm_scheduler: {T: 300}
clip: {max_length: 77}
training: {batch_size: 4, weight_decay: 1e-4, num_epochs: 1}
mlflow:
  experiment_name: "Training"
  run_name: "airflow_run"
  registered_model_name: "Diffusion"
  server_uri: "https://dagshub.com/anna/flowers.mlflow"
  s3_mlruns_bucket: "a-bucket"
  tracking_username: "anna"
  tracking_password: "0123456789abcdef0123456789abcdef01234567"
sagemaker:
  role: "arn:aws:iam::123456789012:role/a-role"
  instance_count: 2
  instance_type: "ml.g5.xlarge"
  framework_version: "2.6.0"
  py_version: "py312"
  max_wait: 7200
  max_run: 7200
  use_spot_instances: true
  s3_train_data: "s3://a-bucket/"
  entry_point: "training_sagemaker_deepspeed.py"
  source_dir: "code"
`;

describe('an older configuration', () => {
  const { text, notes } = importConfig('config/pipeline_config.yaml', OLD);

  it('becomes a params.yaml that says the same', () => {
    const params = PARAMS.parse(parse(text));
    expect(params).toMatchObject({
      data: { train_size: 30, val_size: 3, raw: 'data/raw/flowers' },
      vae: { image_size: [128, 128], learning_rate: 5e-5 },
      DDPMScheduler: { T: 300 },
      unet: { block_out_channels: [64, 128, 256], cross_attention_dim: 512, dropout: 0.1 },
      training: { batch_size: 4, weight_decay: 1e-4, num_epochs: 1, unet_learning_rate: 1e-3 },
      pytorch_estimator: { instance_type: 'ml.g5.xlarge', max_wait: 7200, source_dir: 'code' },
    });
    expect(importConfig('params.yaml', text).text.split('\n').slice(1)).toEqual(text.split('\n').slice(1));
  });

  it('leaves its secrets behind and says where they belong', () => {
    expect(text).not.toMatch(/0123456789abcdef|tracking_/);
    expect(notes.filter((note) => note.includes('.env'))).toEqual([
      expect.stringContaining('mlflow.tracking_username'),
      expect.stringContaining('mlflow.tracking_password'),
    ]);
    expect(notes.join()).not.toContain('0123456789abcdef');
    expect(notes).toContain('ddpm_scheduler.T is DDPMScheduler.T now');
  });

  it('keeps every other value as it is, and says so of none', () => {
    const kept =
      'clip: {max_length: 77}\nlog_trained_model: {diffuser_dir: models/best}\ndata: {raw: data/raw/flowers}\n';
    const { text, notes } = importConfig('old.yaml', kept);
    expect(parse(text)).toEqual(parse(kept));
    expect(notes).toEqual([]);
    expect(text).toMatch(/^# Imported from old\.yaml by t2i params import\.\n/);
  });

  it('names the folders where it named an archive or a file of weights', () => {
    const old = 'data: {raw_data_path: flowers.zip}\nlog_trained_model: {diffuser_dir: models/best/diffuser.pth}\n';
    const { text, notes } = importConfig('old.yaml', old);
    expect(parse(text)).toEqual({ data: { raw: 'flowers' }, log_trained_model: { diffuser_dir: 'models/best' } });
    expect(notes).toEqual([
      'data.raw_data_path: the folder, not its archive, is named in params.yaml',
      'data.raw_data_path is data.raw now',
      'log_trained_model.diffuser_dir: the folder of the promoted model, whose weights are safetensors',
    ]);
  });

  it('names an archive or weights elsewhere as it did', () => {
    const old = 'mlflow: {run_name: flowers.zip}\npytorch_estimator: {source_dir: models/diffuser.pth}\n';
    const { text, notes } = importConfig('old.yaml', old);
    expect([parse(text), notes]).toEqual([parse(old), []]);
  });

  it('says of a secret only that it was left out, in whatever section it stood', () => {
    const { notes } = importConfig('old.yaml', 'sagemaker: {aws_secret_access_key: sesame}\n');
    expect(notes).toEqual([
      'sagemaker.aws_secret_access_key was not copied: set it in .env, and take it out of old.yaml',
    ]);
  });

  it('is refused with a value that a folder cannot be', () => {
    for (const wrong of ['data: {raw: 7}', 'log_trained_model: {diffuser_dir: 7}']) {
      expect(() => importConfig('old.yaml', wrong)).toThrow(/(raw|diffuser_dir): expected/);
    }
  });

  it('keeps a long value on its line', () => {
    const long = `${'data/'.repeat(40)}flowers of the field`;
    expect(importConfig('old.yaml', `data: {raw: "${long}"}`).text).toContain(`\n  raw: ${long}\n`);
  });

  it('is refused with every key that is not known', () => {
    const wrong = 'unet: {chanels: 3}\nsagemaker: {role: 7}\nother: 1\n';
    expect(() => importConfig('old.yaml', wrong)).toThrow(/other/);
    expect(() => importConfig('old.yaml', wrong.replace('other: 1\n', ''))).toThrow(
      /unet\.chanels.*pytorch_estimator\.role/s,
    );
  });
});
