import { z } from 'zod';
import { PLACES } from './places.js';
import { STRATEGIES } from './strategies.js';
import {
  address,
  below,
  flag,
  integer,
  line,
  list,
  modelName,
  oneOf,
  perLevel,
  positive,
  real,
  registeredName,
  repoName,
  size,
} from './values.js';

/** Block types of diffusers' UNet2DConditionModel that its text states can be given to, or that need none. */
const DOWN_BLOCKS = ['DownBlock2D', 'CrossAttnDownBlock2D', 'AttnDownBlock2D'] as const;
const UP_BLOCKS = ['UpBlock2D', 'CrossAttnUpBlock2D', 'AttnUpBlock2D'] as const;

/** A folder in diffusers' or transformers' layout, or a name on the Hugging Face Hub. */
const model = line(300);

const data = z.strictObject({
  raw: below.default('data/raw/dataset').describe('folder with images/ and captions/'),
  train_size: integer(1, 1e9).default(7370).describe('images that are trained on'),
  val_size: integer(1, 1e7).default(819).describe('images that the validation loss is measured on'),
  caption_model: model
    .default('florence-community/Florence-2-large')
    .describe('Florence-2: a folder or a name on the Hub'),
  caption_task: line(100).default('<DETAILED_CAPTION>').describe('what Florence-2 is asked'),
  caption_batch_size: integer(1, 1024).default(10).describe('images that are captioned at a time'),
  num_workers: integer(0, 64).default(2).describe('processes that load batches'),
  precompute_latents: flag.default(true).describe('encode each image once, before training'),
  flip: flag.default(false).describe('mirrored images too; not where captions say left or right'),
  remote: line(500).default('remote').describe('where data-push copies the data: a folder, or s3://BUCKET/PREFIX'),
});

const clip = z.strictObject({
  model: model.default('openai/clip-vit-large-patch14').describe('text encoder, frozen: a folder or a name on the Hub'),
  max_length: integer(4, 4096).default(77).describe('tokens of a caption, its ends included'),
  layout: oneOf(['shards', 'pt'])
    .default('shards')
    .describe('of the embeddings: safetensors shards, or one .pt an image'),
});

const vae = z.strictObject({
  model: model
    .default('stabilityai/sd-vae-ft-mse')
    .describe('autoencoder, frozen but for t2i train-vae: a folder or a name on the Hub'),
  image_size: size(8, 4096).default([128, 128]).describe('height, width of the images in pixels'),
  learning_rate: positive(1).default(5e-5).describe('of t2i train-vae'),
  num_epochs: integer(1, 1e5).default(1).describe('of t2i train-vae'),
});

const schedule = z.strictObject({
  T: integer(1, 100_000).default(1000).describe('training timesteps'),
  beta_schedule: oneOf(['squaredcos_cap_v2', 'scaled_linear', 'linear'])
    .default('squaredcos_cap_v2')
    .describe('noise schedule'),
  beta_start: positive(1).default(0.00085).describe('of the linear schedules'),
  beta_end: positive(1).default(0.012).describe('of the linear schedules'),
  prediction_type: oneOf(['epsilon', 'v_prediction', 'sample']).default('epsilon').describe('what the UNet predicts'),
  rescale_betas_zero_snr: flag.default(false).describe('pure noise at the last timestep; needs v_prediction'),
});

const unet = z.strictObject({
  init_from: model
    .nullable()
    .default(null)
    .describe('a diffusers folder whose UNet is trained further; the keys below are then its own'),
  image_size: size(1, 1024).default([16, 16]).describe('height, width of the latents: those of the image divided by 8'),
  in_channels: integer(1, 64).default(4).describe('latent channels'),
  out_channels: integer(1, 64).default(4).describe('latent channels'),
  down_block_types: list(oneOf(DOWN_BLOCKS), 1, 8)
    .default(['DownBlock2D', 'CrossAttnDownBlock2D', 'CrossAttnDownBlock2D'])
    .describe('one a level, the largest latents first'),
  up_block_types: list(oneOf(UP_BLOCKS), 1, 8)
    .default(['CrossAttnUpBlock2D', 'CrossAttnUpBlock2D', 'UpBlock2D'])
    .describe('one a level, the smallest latents first'),
  mid_block_type: oneOf(['UNetMidBlock2DCrossAttn', 'UNetMidBlock2D'])
    .nullable()
    .default('UNetMidBlock2DCrossAttn')
    .describe('between the two; none where null'),
  block_out_channels: list(integer(1, 8192), 1, 8).default([192, 384, 576]).describe('channels a level'),
  layers_per_block: perLevel(1, 16, 8).default(2).describe('residual blocks a level, or of each level'),
  norm_num_groups: integer(1, 1024)
    .default(32)
    .describe('groups of the group normalisation; divides every number of channels'),
  cross_attention_dim: integer(1, 8192).default(768).describe("width of the text encoder's states"),
  attention_head_dim: perLevel(1, 256, 8)
    .default(8)
    .describe('heads of an attention layer, or those of each level; diffusers calls their number a dimension'),
  dropout: real(0, 0.999).default(0).describe('share of features that a training step leaves out'),
  time_embedding_type: oneOf(['positional', 'fourier']).default('positional').describe('of the timestep'),
  act_fn: oneOf(['silu', 'swish', 'mish', 'gelu', 'relu']).default('silu').describe('activation'),
});

const training = z.strictObject({
  batch_size: integer(1, 65_536).default(64).describe('samples of an optimizer step, over all processes'),
  unet_learning_rate: positive(1).default(1e-4).describe('the highest'),
  weight_decay: real(0, 1).default(1e-2).describe('of AdamW'),
  num_epochs: integer(1, 1e6).default(75).describe('passes over the training images'),
  max_steps: integer(1, 1e9).nullable().default(null).describe('optimizer steps after which training ends sooner'),
  strategy: oneOf(STRATEGIES)
    .default('zero2')
    .describe(
      'what the processes share: nothing but gradients, or by DeepSpeed optimizer states, gradients, weights too',
    ),
  precision: oneOf(['fp32', 'bf16', 'fp16'])
    .default('fp16')
    .describe('of the passes; bf16 needs an Ampere GPU or newer, or a CPU'),
  gradient_accumulation_steps: integer(1, 4096).default(1).describe('parts that a batch is computed in'),
  gradient_checkpointing: flag.default(false).describe('less memory, a third more time'),
  lr_scheduler: oneOf(['WarmupCosineLR', 'WarmupLR', 'WarmupDecayLR'])
    .default('WarmupCosineLR')
    .describe('after the warm-up: cosine, constant, linear'),
  warmup_steps: integer(0, 1e7).default(500).describe('steps over which the learning rate rises'),
  gradient_clipping: positive(1e6).default(0.5).describe('largest norm of the gradient'),
  caption_dropout: real(0, 1)
    .default(0.1)
    .describe('share of samples trained with the empty caption, which guidance needs'),
  use_ema: flag.default(true).describe('average the weights; the average is validated and exported'),
  ema_decay: real(0, 0.999999).default(0.9999).describe('of the average'),
  snr_gamma: positive(100).nullable().default(null).describe('of min-SNR weighting; 5 is usual'),
  noise_offset: real(0, 1).default(0).describe('noise that a whole channel shares'),
  input_perturbation: real(0, 1).default(0).describe('further noise on the input alone'),
  patience: integer(1, 1e6)
    .nullable()
    .default(10)
    .describe('epochs without a better validation loss after which training stops'),
  min_delta: real(0, 1).default(0).describe('by which a loss must be lower to count as better'),
  checkpoint_steps: integer(1, 1e7).default(500).describe('steps between checkpoints'),
  validation_steps: integer(1, 1e7).nullable().default(null).describe('steps between validations; an epoch where null'),
  lora_rank: integer(1, 1024).nullable().default(null).describe('train low-rank adapters in place of the weights'),
  seed: integer(0, 2 ** 31 - 1)
    .default(0)
    .describe('of weights, order, timesteps and noise'),
});

const evaluate = z.strictObject({
  steps: integer(1, 1000).default(50).describe('denoising steps of an image'),
  guidance_scale: real(0, 100).default(7.5).describe('classifier-free guidance'),
  seeds: integer(1, 100).default(4).describe('images for each prompt'),
  clip_model: model
    .nullable()
    .default(null)
    .describe('CLIP for the CLIP score, with its image side; not measured where null'),
  fid_images: integer(0, 1e6).default(0).describe('images for FID and KID; not measured where 0'),
  max_clip_score_drop: real(0, 100)
    .nullable()
    .default(1)
    .describe('by which the CLIP score may be lower than that of the version before; not compared where null'),
  max_judge_drop: real(0, 1)
    .nullable()
    .default(0.1)
    .describe('by which the share of images that CLIP gives their own prompt may be lower; not compared where null'),
});

const exporting = z.strictObject({
  name: modelName.default('my-model').describe('of the model, in receipts'),
  opset: integer(17, 23).default(17).describe('of ONNX'),
  steps: integer(1, 1000).default(30).describe('default of a request'),
  guidance_scale: real(0, 100).default(7.5).describe('default of a request'),
  int8: flag.default(false).describe('quantized graphs beside the others, if they pass the gate'),
  licence: line(100).default('not stated').describe('of the model, in its card; for example apache-2.0'),
});

const mlflow = z.strictObject({
  server_uri: address
    .nullable()
    .default(null)
    .describe('tracking server; runs are recorded in their folders alone where null'),
  experiment_name: line(200)
    .refine((text) => text.trim() !== '', 'a name')
    .default('Training')
    .describe('experiment'),
  run_name: modelName.default('run_1').describe('run; also its folder below runs/'),
  registered_model_name: registeredName.default('Diffusion').describe('registered model'),
  log_model: flag.default(true).describe('keep the best model on the server, for t2i promote on other machines'),
  s3_mlruns_bucket: line(200).nullable().default(null).describe('bucket of the artifacts, without s3://'),
});

const estimator = z.strictObject({
  train_on: oneOf(PLACES)
    .default('here')
    .describe('where t2i train runs: here, on sagemaker, or in its stand-in on this machine'),
  entry_point: below.default('sm_entry.sh').describe('what the container runs'),
  source_dir: below
    .nullable()
    .default(null)
    .describe('code that is sent along; the trainer of this package where null'),
  framework_version: line(20).default('2.12').describe('PyTorch of the container'),
  py_version: line(20).default('py312').describe('Python of the container'),
  role: line(300).nullable().default(null).describe('ARN of the execution role'),
  instance_count: integer(1, 100).default(2).describe('machines'),
  instance_type: line(50).default('ml.g4dn.xlarge').describe('kind of machine'),
  use_spot_instances: flag
    .default(true)
    .describe('cheaper machines that may be taken away; checkpoints are kept in S3'),
  max_wait: integer(1, 28 * 86_400)
    .default(14_400)
    .describe('seconds, waiting for spot machines included; at least max_run'),
  max_run: integer(1, 28 * 86_400)
    .default(14_400)
    .describe('seconds of training'),
  s3_train_data: line(1000)
    .nullable()
    .default(null)
    .describe('s3://BUCKET/PREFIX of the data that t2i data push left there; data.remote where null'),
  image_uri: line(255).nullable().default(null).describe('container; that of framework_version where null'),
  volume_size: integer(1, 16_384).default(50).describe('GB of disk of a machine'),
  environment: list(line(1024), 0, 100).default([]).describe('NAME=VALUE for the container; never secrets'),
  secrets: list(line(1024), 0, 50)
    .default([])
    .describe('NAME=ARN: variables that the container reads from AWS Secrets Manager or Systems Manager'),
  wheels: line(1000)
    .nullable()
    .default(null)
    .describe('s3://BUCKET/PREFIX with wheels of packages that the container lacks; the package index where null'),
});

const huggingface = z.strictObject({
  model_repo: repoName.nullable().default(null).describe('OWNER/NAME of the model on the Hub'),
  space_repo: repoName.nullable().default(null).describe('OWNER/NAME of the Space that shows it'),
});

const promotion = z.strictObject({
  diffuser_dir: below.default('saved_models').describe('folder of the promoted model'),
  min_delta: real(0, 1).default(0).describe('by which its loss must be lower than that of the model before'),
  keep_versions: integer(0, 100).default(3).describe('earlier versions whose files stay, for t2i rollback'),
  remote: line(1000)
    .nullable()
    .default(null)
    .describe('s3://BUCKET/PREFIX that several machines promote into; this project promotes for itself where null'),
});

/** Every section of params.yaml; each may be left out, and so may each key. */
export const PARAMS = z.strictObject({
  data: data.prefault({}).describe('What is trained on'),
  clip: clip.prefault({}).describe('Text encoder'),
  vae: vae.prefault({}).describe('Autoencoder'),
  DDPMScheduler: schedule.prefault({}).describe('Noise schedule'),
  unet: unet.prefault({}).describe('Denoiser: a UNet2DConditionModel'),
  training: training.prefault({}).describe('Training'),
  evaluate: evaluate.prefault({}).describe('What is drawn and measured after training'),
  export: exporting.prefault({}).describe('The model directory that the SDK runs'),
  mlflow: mlflow.prefault({}).describe('Tracking; user and password come from the environment or .env'),
  pytorch_estimator: estimator.prefault({}).describe('Training on SageMaker; keys come from the environment or .env'),
  huggingface: huggingface.prefault({}).describe('The Hub; the token comes from the environment or .env'),
  log_trained_model: promotion.prefault({}).describe('Promotion of the best run'),
});

/** The parameters of a project, resolved: every key has a value. */
export type Params = z.output<typeof PARAMS>;
