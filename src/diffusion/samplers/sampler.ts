import type { SchedulerConfig } from '../schedule.js';

/** The eight coefficients of one plan row; see {@link Plan} for what each multiplies. */
export type Row = readonly [
  x0FromX: number,
  x0FromOut: number,
  epsFromX: number,
  epsFromOut: number,
  fromX0: number,
  fromEps: number,
  fromNoise: number,
  fromPreviousX0: number,
];

/** What a sampler decides: the executor needs nothing else. */
export interface Trajectory {
  /** Length `steps`, first to last. */
  readonly timesteps: Float32Array;
  /** One row for each timestep, by index: two steps may share a timestep. */
  readonly rows: readonly Row[];
  /** Factor on the unit normal noise that makes the first latents. */
  readonly initScale: number;
}

export interface TrajectoryOptions {
  readonly steps: number;
  readonly sigmas: 'default' | 'karras';
  readonly eta: number;
}

/** A sampling method: fills rows, executes nothing. */
export interface Sampler {
  /** Whether `eta`, the share of fresh noise, means anything to it. */
  readonly acceptsEta: boolean;
  /** Whether it can follow Karras sigmas. */
  readonly acceptsKarras: boolean;
  /** Whether it clamps x0 where the model's config says `clip_sample`. */
  readonly clips: boolean;
  /** Whether its timesteps must be training timesteps, 0 to `numTrainTimesteps - 1`. */
  readonly indexesTraining: boolean;
  maxSteps(config: SchedulerConfig): number;
  trajectory(config: SchedulerConfig, options: TrajectoryOptions): Trajectory;
}

/** Coefficients of the row for samplers whose second term is the latents themselves: puts x into the eps slot. */
export const EPS_IS_X = [1, 0] as const;
