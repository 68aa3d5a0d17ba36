import type { SamplerName } from './samplers/index.js';

/** What a diffusers scheduler class uses where `scheduler_config.json` is silent, and the sampler that stands for it here. */
export interface ClassDefaults {
  readonly sampler: SamplerName;
  /** Whether the sampler computes what the class does; otherwise it is the nearest one of its family, used in its place. */
  readonly exact: boolean;
  readonly betaSchedule: 'linear' | 'scaled_linear';
  readonly betaStart: number;
  readonly betaEnd: number;
  readonly timestepSpacing: 'leading' | 'linspace';
  readonly clipSample: boolean;
  readonly setAlphaToOne: boolean;
  /** For requests that leave them out. */
  readonly steps: number;
  readonly guidanceScale: number;
}

const DDIM: ClassDefaults = {
  sampler: 'ddim',
  exact: true,
  betaSchedule: 'linear',
  betaStart: 0.0001,
  betaEnd: 0.02,
  timestepSpacing: 'leading',
  clipSample: true,
  setAlphaToOne: true,
  steps: 30,
  guidanceScale: 7.5,
};
const DDPM: ClassDefaults = { ...DDIM, sampler: 'ddpm' };
const PNDM: ClassDefaults = { ...DDIM, exact: false, clipSample: false, setAlphaToOne: false };
const EULER: ClassDefaults = { ...DDIM, sampler: 'euler', timestepSpacing: 'linspace', clipSample: false };
const NEAR_EULER: ClassDefaults = { ...EULER, exact: false };
const KDPM: ClassDefaults = { ...NEAR_EULER, betaStart: 0.00085, betaEnd: 0.012 };
const DPM_SOLVER: ClassDefaults = { ...EULER, sampler: 'dpmpp-2m' };
const NEAR_DPM_SOLVER: ClassDefaults = { ...DPM_SOLVER, exact: false };
/** Weights that were distilled to few steps, with guidance in them. */
const DISTILLED: ClassDefaults = {
  ...DDIM,
  betaSchedule: 'scaled_linear',
  betaStart: 0.00085,
  betaEnd: 0.012,
  clipSample: false,
  steps: 4,
  guidanceScale: 1,
};

const BY_CLASS: ReadonlyMap<string, ClassDefaults> = new Map<string, ClassDefaults>([
  ['DDIMScheduler', DDIM],
  ['DDIMParallelScheduler', DDIM],
  ['DDPMScheduler', DDPM],
  ['DDPMParallelScheduler', DDPM],
  ['PNDMScheduler', PNDM],
  ['EulerDiscreteScheduler', EULER],
  ['LMSDiscreteScheduler', NEAR_EULER],
  ['HeunDiscreteScheduler', KDPM],
  ['KDPM2DiscreteScheduler', KDPM],
  ['EulerAncestralDiscreteScheduler', { ...EULER, sampler: 'euler-a' }],
  ['KDPM2AncestralDiscreteScheduler', { ...KDPM, sampler: 'euler-a' }],
  ['DPMSolverMultistepScheduler', DPM_SOLVER],
  ['DPMSolverSinglestepScheduler', NEAR_DPM_SOLVER],
  ['DPMSolverSDEScheduler', { ...NEAR_DPM_SOLVER, betaStart: 0.00085, betaEnd: 0.012 }],
  ['DEISMultistepScheduler', NEAR_DPM_SOLVER],
  ['UniPCMultistepScheduler', NEAR_DPM_SOLVER],
  ['SASolverScheduler', NEAR_DPM_SOLVER],
  ['LCMScheduler', { ...DISTILLED, sampler: 'lcm' }],
  ['TCDScheduler', { ...DISTILLED, exact: false }],
]);

export const KNOWN_CLASSES: readonly string[] = [...BY_CLASS.keys()];

/** @param className class name of a scheduler file, or null where it gives none: then the defaults are DDIM's. */
export function classDefaults(className: string | null): ClassDefaults {
  // A class of another package says its betas itself; what it leaves out is as in most files of Stable Diffusion.
  return className === null ? DDIM : (BY_CLASS.get(className) ?? PNDM);
}
