import { s3AddressIssues } from '../../aws/s3-address.js';
import type { Issue } from '../../errors.js';
import { batchIssues } from '../sagemaker/batch.js';
import type { Place } from './places.js';
import type { Params } from './schema.js';

/** What is known of the models that the parameters name, where they are at hand. */
export interface ModelFacts {
  /** Width of the text encoder's states. */
  readonly textWidth?: number | undefined;
  /** Tokens that it takes at most. */
  readonly textPositions?: number | undefined;
  /** Pixels of a side that one latent stands for. */
  readonly vaeFactor?: number | undefined;
  readonly latentChannels?: number | undefined;
  /** Images below data.raw. */
  readonly images?: number | undefined;
  /** Folders of models that are not there, by the parameters that name them. */
  readonly missing?: Readonly<Record<string, string>> | undefined;
}

export interface Findings {
  readonly issues: readonly Issue[];
  readonly warnings: readonly string[];
}

/** What can be trained further. */
export const UNET_FOLDER = 'a diffusers folder with unet/config.json';

const UNKNOWN_FACTOR = 8;
const UNKNOWN_CHANNELS = 4;

/**
 * Rules between parameters: every one that is broken, and what is odd though allowed.
 *
 * @param place where the training runs: SageMaker's machines matter nowhere else
 */
export function checkParams(params: Params, facts: ModelFacts, place: Place): Findings {
  const rules = [
    ...[checkModels, checkUnet, checkLatents, checkText, checkSchedule, checkTraining, checkData, checkPromotion],
    ...(place === 'here' ? [] : [checkMachines]),
  ];
  return {
    issues: rules.flatMap((rule) => rule(params, facts)),
    warnings: findOddities(params),
  };
}

const issue = (option: string, expected: string, received: unknown): Issue => ({
  option,
  expected,
  received: String(received),
});

function checkModels(_: Params, { missing = {} }: ModelFacts): Issue[] {
  return Object.entries(missing).map(([option, name]) =>
    issue(
      option,
      option === 'unet.init_from' ? UNET_FOLDER : 'a folder, or a name on the Hub',
      `${name}, where none is`,
    ),
  );
}

function checkUnet({ unet }: Params): Issue[] {
  if (unet.init_from !== null) return [];
  const levels = unet.block_out_channels.length;
  const issues: Issue[] = [];
  for (const key of ['down_block_types', 'up_block_types', 'layers_per_block', 'attention_head_dim'] as const) {
    const parts = unet[key];
    if (typeof parts !== 'number' && parts.length !== levels)
      issues.push(issue(`unet.${key}`, `${levels} parts, one for each of block_out_channels`, parts.length));
  }
  for (const channels of unet.block_out_channels) {
    if (channels % unet.norm_num_groups !== 0)
      issues.push(issue('unet.block_out_channels', `multiples of norm_num_groups ${unet.norm_num_groups}`, channels));
  }
  return issues;
}

function checkLatents({ unet, vae }: Params, facts: ModelFacts): Issue[] {
  const factor = facts.vaeFactor ?? UNKNOWN_FACTOR;
  const channels = facts.latentChannels ?? UNKNOWN_CHANNELS;
  const issues: Issue[] = [];
  for (const [at, side] of (['height', 'width'] as const).entries()) {
    const [image = 0, latent = 0] = [vae.image_size[at], unet.image_size[at]];
    if (image % factor !== 0) issues.push(issue('vae.image_size', `a ${side} that is a multiple of ${factor}`, image));
    else if (latent !== image / factor && unet.init_from === null)
      issues.push(
        issue('unet.image_size', `the ${side} ${image / factor}, that of vae.image_size by ${factor}`, latent),
      );
    const granularity = 2 ** (unet.block_out_channels.length - 1);
    if (unet.init_from === null && latent % granularity !== 0)
      issues.push(
        issue('unet.image_size', `a ${side} that ${granularity} divides, since each level halves it`, latent),
      );
  }
  for (const key of ['in_channels', 'out_channels'] as const) {
    if (unet.init_from === null && unet[key] !== channels)
      issues.push(issue(`unet.${key}`, `${channels}, the autoencoder's latent channels`, unet[key]));
  }
  return issues;
}

function checkText({ unet, clip }: Params, { textWidth, textPositions }: ModelFacts): Issue[] {
  const issues: Issue[] = [];
  if (unet.init_from === null && textWidth !== undefined && unet.cross_attention_dim !== textWidth)
    issues.push(
      issue('unet.cross_attention_dim', `${textWidth}, the width of ${clip.model}`, unet.cross_attention_dim),
    );
  if (textPositions !== undefined && clip.max_length > textPositions)
    issues.push(
      issue('clip.max_length', `at most the ${textPositions} tokens that ${clip.model} takes`, clip.max_length),
    );
  return issues;
}

function checkSchedule({ DDPMScheduler: schedule }: Params): Issue[] {
  const issues: Issue[] = [];
  if (schedule.rescale_betas_zero_snr && schedule.prediction_type !== 'v_prediction')
    issues.push(
      issue(
        'DDPMScheduler.prediction_type',
        'v_prediction with rescale_betas_zero_snr: of pure noise no noise can be told',
        schedule.prediction_type,
      ),
    );
  if (schedule.beta_schedule !== 'squaredcos_cap_v2' && schedule.beta_end <= schedule.beta_start)
    issues.push(issue('DDPMScheduler.beta_end', `more than beta_start ${schedule.beta_start}`, schedule.beta_end));
  return issues;
}

function checkTraining({ training, data, unet }: Params): Issue[] {
  const issues: Issue[] = [];
  const parts = training.gradient_accumulation_steps;
  if (training.batch_size % parts !== 0)
    issues.push(
      issue('training.batch_size', `a multiple of gradient_accumulation_steps ${parts}`, training.batch_size),
    );
  if (training.batch_size > data.train_size)
    issues.push(issue('training.batch_size', `at most data.train_size ${data.train_size}`, training.batch_size));
  if (training.min_delta > 0 && training.patience === null)
    issues.push(issue('training.patience', 'a number of validations, which min_delta needs', 'null'));
  if (training.lora_rank !== null && unet.init_from === null)
    issues.push(issue('unet.init_from', `${UNET_FOLDER}, which training.lora_rank adapts`, 'null'));
  if (training.lora_rank !== null && training.strategy === 'zero3')
    issues.push(issue('training.strategy', 'ddp, zero1 or zero2 with lora_rank', 'zero3'));
  return issues;
}

function checkData({ data }: Params, { images }: ModelFacts): Issue[] {
  const wanted = data.train_size + data.val_size;
  if (images === undefined || images === 0 || wanted <= images) return [];
  const received = `${data.train_size} + ${data.val_size}`;
  return [issue('data.train_size', `at most ${images} with val_size, the images below ${data.raw}`, received)];
}

function checkPromotion({ log_trained_model: { remote } }: Params): Issue[] {
  return remote === null ? [] : s3AddressIssues(remote, 'log_trained_model.remote');
}

/** GPUs by the start of the machine's name; those before Ampere have no bf16. */
const NO_BF16 = /^ml\.(p2|p3|g4dn)\./;
const TOO_OLD = /^ml\.(g3s?|p2)\./;

function checkMachines({ pytorch_estimator: estimator, training }: Params): Issue[] {
  const { instance_type: type, max_run: run, max_wait: wait } = estimator;
  const issues: Issue[] = [];
  if (TOO_OLD.test(type))
    issues.push(
      issue('pytorch_estimator.instance_type', 'ml.g4dn, ml.g5 or ml.g6: CUDA no longer runs on older GPUs', type),
    );
  if (NO_BF16.test(type) && training.precision === 'bf16')
    issues.push(issue('training.precision', `fp16 on ${type}, whose GPU has no bf16`, 'bf16'));
  if (estimator.use_spot_instances && wait < run)
    issues.push(issue('pytorch_estimator.max_wait', `at least max_run ${run}`, wait));
  // Where it is no multiple of the steps, that is told already.
  if (training.batch_size % training.gradient_accumulation_steps === 0)
    issues.push(...batchIssues(training, { type, count: estimator.instance_count }));
  return issues;
}

function findOddities({ unet, data, training }: Params): string[] {
  return [
    ...(unet.init_from === null ? unevenHeads(unet) : []),
    ...(data.flip ? ['data.flip: a caption that says left or right is wrong for a mirrored image'] : []),
    ...(training.caption_dropout === 0
      ? ['training.caption_dropout: a model that never sees the empty caption cannot be guided']
      : []),
  ];
}

/** A remainder is no mistake: diffusers makes every head narrower. It is hardly what was meant, though. */
function unevenHeads({ attention_head_dim: heads, block_out_channels: levels }: Params['unet']): string[] {
  return levels.flatMap((channels, level) => {
    const count = typeof heads === 'number' ? heads : (heads[level] ?? 1);
    return channels % count === 0
      ? []
      : [
          `unet.attention_head_dim: ${count} heads do not divide ${channels} channels; each has ${Math.floor(channels / count)}`,
        ];
  });
}
