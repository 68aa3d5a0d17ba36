/** What a diffusers scheduler class uses where `scheduler_config.json` is silent, and the sampler that stands for it here. */
export interface ClassDefaults {
  readonly sampler: 'ddim' | 'ddpm' | 'euler' | 'euler-a' | 'dpmpp-2m' | 'lcm';
  readonly betaSchedule: 'linear' | 'scaled_linear';
  readonly betaStart: number;
  readonly betaEnd: number;
  readonly timestepSpacing: 'leading' | 'linspace';
  readonly clipSample: boolean;
  readonly setAlphaToOne: boolean;
}

const DDIM: ClassDefaults = {
  sampler: 'ddim',
  betaSchedule: 'linear',
  betaStart: 0.0001,
  betaEnd: 0.02,
  timestepSpacing: 'leading',
  clipSample: true,
  setAlphaToOne: true,
};
const EULER: ClassDefaults = { ...DDIM, sampler: 'euler', timestepSpacing: 'linspace', clipSample: false };
const KDPM: ClassDefaults = { ...EULER, betaStart: 0.00085, betaEnd: 0.012 };
const DPM_SOLVER: ClassDefaults = { ...EULER, sampler: 'dpmpp-2m' };

/** Classes without a sampler of their own here get the nearest one of the same family. */
const BY_CLASS: ReadonlyMap<string, ClassDefaults> = new Map([
  ['DDIMScheduler', DDIM],
  ['DDPMScheduler', { ...DDIM, sampler: 'ddpm' }],
  ['PNDMScheduler', { ...DDIM, clipSample: false, setAlphaToOne: false }],
  ['EulerDiscreteScheduler', EULER],
  ['LMSDiscreteScheduler', EULER],
  ['HeunDiscreteScheduler', KDPM],
  ['KDPM2DiscreteScheduler', KDPM],
  ['EulerAncestralDiscreteScheduler', { ...EULER, sampler: 'euler-a' }],
  ['KDPM2AncestralDiscreteScheduler', { ...KDPM, sampler: 'euler-a' }],
  ['DPMSolverMultistepScheduler', DPM_SOLVER],
  ['DPMSolverSinglestepScheduler', DPM_SOLVER],
  ['DEISMultistepScheduler', DPM_SOLVER],
  ['UniPCMultistepScheduler', DPM_SOLVER],
  [
    'LCMScheduler',
    { ...DDIM, sampler: 'lcm', betaSchedule: 'scaled_linear', betaStart: 0.00085, betaEnd: 0.012, clipSample: false },
  ],
] as const);

export const SUPPORTED_CLASSES: readonly string[] = [...BY_CLASS.keys()];

/** @param className class name of a scheduler file, or null where it gives none: then the defaults are DDIM's. */
export function classDefaults(className: string | null): ClassDefaults {
  return (className === null ? undefined : BY_CLASS.get(className)) ?? DDIM;
}
