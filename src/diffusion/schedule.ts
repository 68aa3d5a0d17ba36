import { describeIssues, type Issue, T2IError } from '../errors.js';
import { classDefaults, KNOWN_CLASSES } from './class-defaults.js';
import { FieldReader } from './field-reader.js';
import { type UnsupportedSetting, unsupportedSettings } from './unsupported.js';

/** The fields of diffusers' `scheduler_config.json` that decide a plan, with that file's defaults filled in. */
export interface SchedulerConfig {
  readonly numTrainTimesteps: number;
  readonly betaSchedule: 'linear' | 'scaled_linear' | 'squaredcos_cap_v2' | 'trained_betas';
  readonly betaStart: number;
  readonly betaEnd: number;
  /** When present these are the betas, whatever `betaSchedule` says. */
  readonly trainedBetas: readonly number[] | null;
  readonly predictionType: 'epsilon' | 'v_prediction' | 'sample';
  readonly timestepSpacing: 'leading' | 'trailing' | 'linspace';
  readonly stepsOffset: number;
  readonly setAlphaToOne: boolean;
  readonly clipSample: boolean;
  readonly clipSampleRange: number;
  readonly rescaleBetasZeroSnr: boolean;
  /** Variance of the DDPM posterior: beta tilde (`fixed_small`) or beta (`fixed_large`). */
  readonly varianceType: 'fixed_small' | 'fixed_large';
  /** Whether Karras sigmas are used when a request does not say. */
  readonly useKarrasSigmas: boolean;
  /** Sigma after the last step of euler and dpmpp-2m. */
  readonly finalSigmasType: 'zero' | 'sigma_min';
  /** dpmpp-2m: last step of first order when there are fewer than 15 steps. */
  readonly lowerOrderFinal: boolean;
  /** dpmpp-2m: last step of first order always. */
  readonly eulerAtFinal: boolean;
  /** lcm: number of steps of the schedule that the model was distilled on. */
  readonly originalInferenceSteps: number;
  /** lcm: factor on the timestep in the boundary condition. */
  readonly timestepScaling: number;
  /** Class name the file gives, for example `DDIMScheduler`; decides the default sampler only. */
  readonly className: string | null;
  /** Settings that keep some samplers from being used, and those alone. */
  readonly unsupported: readonly UnsupportedSetting[];
}

const FILE = 'scheduler_config.json';
const MAX_TRAIN_TIMESTEPS = 100_000;

/** What would make the noise schedule, or what the network is told, another one for every sampler. */
const REFUSED: readonly (readonly [field: string, off: readonly unknown[], expected: string])[] = [
  ['use_flow_sigmas', [false], 'false: a model of flows has no betas'],
  ['timestep_type', ['discrete'], '"discrete": no sampler here tells the network continuous timesteps'],
];

/** Any of these says what the noise schedule of an unknown class is. */
const BETAS = ['beta_start', 'beta_end', 'beta_schedule', 'trained_betas'];

/**
 * Checks the parsed content of a diffusers `scheduler_config.json`.
 *
 * Absent fields get the default of the class the file names. A field that this class does not have is off: a file of
 * `EulerDiscreteScheduler` never makes `ddim` clamp latents, though `DDIMScheduler.from_config` in diffusers would.
 * A class that is unknown is taken for its betas, where the file has some; a setting that a sampler cannot follow refuses that
 * sampler alone, see `model-sampler.ts`.
 *
 * @param json what `JSON.parse` returned; may be anything
 * @throws T2IError MODEL_INVALID naming every wrong field at once
 */
export function parseSchedulerConfig(json: unknown): SchedulerConfig {
  const reader = new FieldReader(json, FILE);
  const className = reader.className(KNOWN_CLASSES, BETAS);
  const defaults = classDefaults(className);
  const numTrainTimesteps = reader.integer('num_train_timesteps', 1000, 1, MAX_TRAIN_TIMESTEPS);
  const trainedBetas = reader.numbers('trained_betas', numTrainTimesteps, 0, 1);
  const config: SchedulerConfig = {
    className,
    numTrainTimesteps,
    trainedBetas,
    betaSchedule: reader.choice('beta_schedule', defaults.betaSchedule, [
      'linear',
      'scaled_linear',
      'squaredcos_cap_v2',
      ...(trainedBetas === null ? [] : (['trained_betas'] as const)),
    ]),
    betaStart: reader.number('beta_start', defaults.betaStart, 0, 1),
    betaEnd: reader.number('beta_end', defaults.betaEnd, 0, 1),
    predictionType: reader.choice('prediction_type', 'epsilon', ['epsilon', 'v_prediction', 'sample']),
    timestepSpacing: reader.choice('timestep_spacing', defaults.timestepSpacing, ['leading', 'trailing', 'linspace']),
    stepsOffset: reader.integer('steps_offset', 0, 0, numTrainTimesteps),
    setAlphaToOne: reader.boolean('set_alpha_to_one', defaults.setAlphaToOne),
    clipSample: reader.boolean('clip_sample', defaults.clipSample),
    clipSampleRange: reader.number('clip_sample_range', 1, Number.MIN_VALUE, 1e6),
    rescaleBetasZeroSnr: reader.boolean('rescale_betas_zero_snr', false),
    varianceType: reader.is('variance_type', 'fixed_large') ? 'fixed_large' : 'fixed_small',
    useKarrasSigmas: reader.boolean('use_karras_sigmas', false),
    finalSigmasType: reader.choice('final_sigmas_type', 'zero', ['zero', 'sigma_min']),
    lowerOrderFinal: reader.boolean('lower_order_final', true),
    eulerAtFinal: reader.boolean('euler_at_final', false),
    originalInferenceSteps: reader.integer('original_inference_steps', 50, 1, MAX_TRAIN_TIMESTEPS),
    timestepScaling: reader.number('timestep_scaling', 10, 0, 1e6),
    unsupported: unsupportedSettings(reader, className),
  };
  for (const [field, off, expected] of REFUSED) reader.oneOf(field, off, expected);
  refuse(reader.issues);
  return config;
}

function refuse(issues: readonly Issue[]): void {
  if (issues.length === 0) return;
  throw new T2IError('MODEL_INVALID', `The noise schedule of the model cannot be used: ${describeIssues(issues)}.`, {
    hint: `Correct scheduler/${FILE}, or export the model again.`,
    issues,
  });
}
