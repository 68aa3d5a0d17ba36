import { describeIssues, type Issue, T2IError } from '../errors.js';
import { samplerRefusal } from './model-sampler.js';
import { SAMPLER_NAMES, SAMPLERS, type SamplerName } from './samplers/index.js';
import type { Sampler } from './samplers/sampler.js';
import type { SchedulerConfig } from './schedule.js';

export { defaultSampler } from './model-sampler.js';
export { SAMPLER_NAMES, type SamplerName } from './samplers/index.js';

/** Number of float32 coefficients of one plan row, k0 to k7. */
export const ROW_LENGTH = 8;

/**
 * All a backend needs to know of a sampler: pure data, executed row by row (see `step.ts`).
 *
 *     x0  = k0 * x + k1 * out           clamped to +-clip when clip is set
 *     eps = k2 * x + k3 * out
 *     x'  = k4 * x0 + k5 * eps + k6 * noise + k7 * (previous x0)
 *
 * `x` is the latents in variance-preserving form, `out` the network's (guided) output. Samplers whose second term is the latents
 * themselves put x into the eps slot (k2 = 1, k3 = 0).
 */
export interface Plan {
  /** Sampler that filled the rows; a label for receipts, never read by a backend. */
  readonly sampler: string;
  readonly steps: number;
  /** What the network is told at each step, length `steps`; fractional where sigmas fall between training timesteps. */
  readonly timesteps: Float32Array;
  /** `steps * ROW_LENGTH` coefficients, row-major. */
  readonly rows: Float32Array;
  /** Largest magnitude of x0 that passes unclamped, or null for no clamp. */
  readonly clip: number | null;
  /** Factor on the unit normal noise that makes the first latents (1 in variance-preserving form unless the sampler says otherwise). */
  readonly initScale: number;
}

export interface PlanOptions {
  readonly sampler: SamplerName;
  /** Network calls, 1 to `numTrainTimesteps`; `lcm` takes at most `originalInferenceSteps`. */
  readonly steps: number;
  /** `karras` for euler and dpmpp-2m; the model's own choice when absent. */
  readonly sigmas?: 'default' | 'karras' | undefined;
  /** Share of fresh noise in every step, 0 to 1, for ddim; 0 when absent. */
  readonly eta?: number | undefined;
}

/**
 * Turns a request into the data that every backend executes.
 *
 * @throws T2IError OPTION_INVALID naming every option that is unknown, out of range or not the sampler's, and where the model's
 * schedule has no finite step (epsilon prediction at zero terminal SNR)
 */
export function createPlan(config: SchedulerConfig, options: PlanOptions): Plan {
  refuse(optionIssues(config, options));
  const sampler: Sampler = SAMPLERS[options.sampler];
  const { steps, eta = 0 } = options;
  const sigmas = resolveSigmas(config, options);
  const { timesteps, rows, initScale } = sampler.trajectory(config, { steps, sigmas, eta });
  const plan: Plan = {
    sampler: options.sampler,
    steps,
    timesteps,
    rows: Float32Array.from(rows.flat()),
    clip: sampler.clips && config.clipSample ? config.clipSampleRange : null,
    initScale: Math.fround(initScale),
  };
  refuse(planIssues(config, sampler, plan));
  return plan;
}

/** The spacing of the steps that a plan has: the one that was asked for, else the model's own as far as the sampler takes it. */
export function resolveSigmas(
  config: SchedulerConfig,
  { sampler, sigmas }: Pick<PlanOptions, 'sampler' | 'sigmas'>,
): 'default' | 'karras' {
  return sigmas ?? (config.useKarrasSigmas && SAMPLERS[sampler].acceptsKarras ? 'karras' : 'default');
}

/** What only shows in the finished plan: timesteps beyond training, and divisions by a signal of zero. */
function planIssues(config: SchedulerConfig, sampler: Sampler, plan: Plan): Issue[] {
  const { timesteps, steps } = plan;
  if (sampler.indexesTraining && (timesteps[0] as number) >= config.numTrainTimesteps) {
    const expected = `another number: with steps_offset ${config.stepsOffset} it starts beyond the ${config.numTrainTimesteps} timesteps of training`;
    return [{ option: 'steps', expected, received: String(steps) }];
  }
  if (plan.rows.every(Number.isFinite)) return [];
  const received = `"${plan.sampler}" with ${config.predictionType} at timestep ${timesteps[0]}`;
  const expected =
    'a sampler that is finite on this schedule (euler, euler-a or dpmpp-2m where the first step has zero SNR)';
  return [{ option: 'sampler', expected, received }];
}

/** Everything wrong with the options themselves. */
function optionIssues(config: SchedulerConfig, options: PlanOptions): Issue[] {
  const issues: Issue[] = [];
  const wrong = (option: string, expected: string, value: unknown) =>
    issues.push({ option, expected, received: typeof value === 'string' ? `"${value}"` : String(value) });
  const { sampler: name, steps, sigmas, eta } = options;
  const sampler: Sampler | undefined = Object.hasOwn(SAMPLERS, name) ? SAMPLERS[name] : undefined;
  if (sampler === undefined) wrong('sampler', `one of ${SAMPLER_NAMES.join(', ')}`, name);
  const refusal = sampler && samplerRefusal(config, name);
  if (refusal) wrong('sampler', `another one (${refusal})`, name);

  const maxSteps = sampler?.maxSteps(config) ?? config.numTrainTimesteps;
  if (!Number.isInteger(steps) || steps < 1 || steps > maxSteps) {
    wrong('steps', `an integer from 1 to ${maxSteps}`, steps);
  }

  if (sigmas !== undefined && sigmas !== 'default' && sigmas !== 'karras') wrong('sigmas', 'default or karras', sigmas);
  if (sigmas === 'karras' && sampler?.acceptsKarras === false) {
    wrong('sigmas', `default, since ${name} has no Karras form (${namesOf('acceptsKarras')} have)`, sigmas);
  }
  if (eta !== undefined && !(typeof eta === 'number' && eta >= 0 && eta <= 1))
    wrong('eta', 'a number from 0 to 1', eta);
  else if (eta !== undefined && eta !== 0 && sampler?.acceptsEta === false) {
    wrong('eta', `0 or none, since ${name} has no eta (${namesOf('acceptsEta')} has)`, eta);
  }
  return issues;
}

function namesOf(ability: 'acceptsKarras' | 'acceptsEta'): string {
  return SAMPLER_NAMES.filter((name) => SAMPLERS[name][ability]).join(' and ');
}

function refuse(issues: readonly Issue[]): void {
  if (issues.length > 0)
    throw new T2IError('OPTION_INVALID', `Invalid request: ${describeIssues(issues)}.`, { issues });
}
