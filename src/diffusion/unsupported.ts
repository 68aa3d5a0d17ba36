import type { FieldReader } from './field-reader.js';
import type { SamplerName } from './samplers/index.js';

/** A setting of the model's schedule that some samplers cannot follow; the others do not read it. */
export interface UnsupportedSetting {
  /** As in `scheduler_config.json`. */
  readonly field: string;
  /** The value that these samplers can follow. */
  readonly expected: string;
  readonly received: string;
  readonly samplers: readonly SamplerName[];
}

interface Setting {
  readonly field: string;
  /** Values that change nothing, or that diffusers takes for such. */
  readonly off: readonly unknown[];
  readonly expected: string;
  readonly samplers: readonly SamplerName[];
  /** The one class that has it; any where it is absent. */
  readonly className?: string;
}

const SIGMA_SAMPLERS = ['euler', 'dpmpp-2m'] as const;
const DPM_SOLVER = { samplers: ['dpmpp-2m'], className: 'DPMSolverMultistepScheduler' } as const;

const SETTINGS: readonly Setting[] = [
  // Dynamic thresholding needs a quantile of the whole image, which no plan row holds.
  { field: 'thresholding', off: [false], expected: 'false', samplers: ['ddim', 'ddpm', 'dpmpp-2m', 'lcm'] },
  { field: 'use_exponential_sigmas', off: [false], expected: 'false', samplers: SIGMA_SAMPLERS },
  { field: 'use_beta_sigmas', off: [false], expected: 'false', samplers: SIGMA_SAMPLERS },
  { field: 'use_lu_lambdas', off: [false], expected: 'false', samplers: ['dpmpp-2m'] },
  { field: 'interpolation_type', off: ['linear'], expected: '"linear"', samplers: ['euler'] },
  { field: 'sigma_min', off: [], expected: 'null', samplers: SIGMA_SAMPLERS },
  { field: 'sigma_max', off: [], expected: 'null', samplers: SIGMA_SAMPLERS },
  {
    field: 'lambda_min_clipped',
    off: [-Infinity, '-Infinity'],
    expected: '-Infinity',
    samplers: ['dpmpp-2m'],
  },
  {
    field: 'variance_type',
    off: ['fixed_small', 'fixed_small_log', 'fixed_large'],
    expected: '"fixed_small" or "fixed_large"',
    samplers: ['ddpm'],
  },
  { field: 'algorithm_type', off: ['dpmsolver++', 'deis'], expected: '"dpmsolver++"', ...DPM_SOLVER },
  { field: 'solver_order', off: [2], expected: '2', ...DPM_SOLVER },
  { field: 'solver_type', off: ['midpoint', 'logrho', 'bh1', 'bh2'], expected: '"midpoint"', ...DPM_SOLVER },
];

/** The settings of a scheduler file that keep samplers from being used. */
export function unsupportedSettings(reader: FieldReader, className: string | null): UnsupportedSetting[] {
  return SETTINGS.flatMap(({ field, off, expected, samplers, className: only }) => {
    const received = only === undefined || only === className ? reader.otherThan(field, off) : null;
    return received === null ? [] : [{ field, expected, received, samplers }];
  });
}
