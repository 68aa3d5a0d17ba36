import { describeIssues, type Issue, T2IError } from '../errors.js';
import { classDefaults, SUPPORTED_CLASSES } from './class-defaults.js';
import { FieldReader } from './field-reader.js';

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
}

const FILE = 'scheduler_config.json';
const MAX_TRAIN_TIMESTEPS = 100_000;

/** Settings that change the picture and do not fit a plan: refused unless they have the value that leaves them off. */
const OFF: readonly (readonly [field: string, off: readonly unknown[], why: string])[] = [
  [
    'thresholding',
    [false, null],
    'false: dynamic thresholding needs a quantile of the whole picture, which no plan row holds',
  ],
  ['use_exponential_sigmas', [false, null], 'false'],
  ['use_beta_sigmas', [false, null], 'false'],
  ['use_lu_lambdas', [false, null], 'false'],
  ['use_flow_sigmas', [false, null], 'false'],
  ['interpolation_type', ['linear', null], '"linear"'],
  ['timestep_type', ['discrete', null], '"discrete"'],
  ['sigma_min', [null], 'null'],
  ['sigma_max', [null], 'null'],
  ['lambda_min_clipped', [-Infinity, '-Infinity', null], '-Infinity'],
];

/** As {@link OFF}, for the class that `dpmpp-2m` stands for. */
const DPM_SOLVER_OFF: typeof OFF = [
  ['algorithm_type', ['dpmsolver++', null], '"dpmsolver++"'],
  ['solver_order', [2, null], '2'],
  ['solver_type', ['midpoint', null], '"midpoint"'],
];

/**
 * Checks the parsed content of a diffusers `scheduler_config.json`.
 *
 * Absent fields get the default of the class the file names. A field that this class does not have is off: a file of
 * `EulerDiscreteScheduler` never makes `ddim` clamp latents, though `DDIMScheduler.from_config` in diffusers would.
 *
 * @param json what `JSON.parse` returned; may be anything
 * @throws T2IError MODEL_INVALID naming every wrong field at once
 */
export function parseSchedulerConfig(json: unknown): SchedulerConfig {
  const reader = new FieldReader(json, FILE);
  const className = reader.className(SUPPORTED_CLASSES);
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
    varianceType:
      reader.choice('variance_type', 'fixed_small', ['fixed_small', 'fixed_small_log', 'fixed_large']) === 'fixed_large'
        ? 'fixed_large'
        : 'fixed_small',
    useKarrasSigmas: reader.boolean('use_karras_sigmas', false),
    finalSigmasType: reader.choice('final_sigmas_type', 'zero', ['zero', 'sigma_min']),
    lowerOrderFinal: reader.boolean('lower_order_final', true),
    eulerAtFinal: reader.boolean('euler_at_final', false),
    originalInferenceSteps: reader.integer('original_inference_steps', 50, 1, MAX_TRAIN_TIMESTEPS),
    timestepScaling: reader.number('timestep_scaling', 10, 0, 1e6),
  };
  for (const [field, off, why] of OFF) reader.oneOf(field, off, why);
  if (className === 'DPMSolverMultistepScheduler')
    for (const [field, off, why] of DPM_SOLVER_OFF) reader.oneOf(field, off, why);
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
