/** The fields of diffusers' `scheduler_config.json` that decide a plan, with that file's defaults filled in. */
export interface SchedulerConfig {
  readonly numTrainTimesteps: number;
  readonly betaSchedule: 'linear' | 'scaled_linear' | 'squaredcos_cap_v2' | 'trained_betas';
  readonly betaStart: number;
  readonly betaEnd: number;
  readonly trainedBetas: readonly number[] | null;
  readonly predictionType: 'epsilon' | 'v_prediction' | 'sample';
  readonly timestepSpacing: 'leading' | 'trailing' | 'linspace';
  readonly stepsOffset: number;
  readonly setAlphaToOne: boolean;
  readonly clipSample: boolean;
  readonly clipSampleRange: number;
  readonly rescaleBetasZeroSnr: boolean;
  /** Class name the file gives, for example `DDIMScheduler`; decides the default sampler only. */
  readonly className: string | null;
}
