import { readFileSync } from 'node:fs';
import type { PlanOptions } from '../../../src/diffusion/plan.js';
import { parseSchedulerConfig, type SchedulerConfig } from '../../../src/diffusion/schedule.js';

/** One diffusers run over latents of four values; see `trainer/t2i_trainer/golden/reference.py`. */
export interface TrajectoryCase {
  readonly sampler: PlanOptions['sampler'];
  readonly steps: number;
  readonly config: Record<string, unknown>;
  readonly sigmas?: 'karras';
  readonly eta?: number;
  readonly reference: {
    /** The error with which diffusers refuses the case. */
    readonly refused?: string;
    readonly timesteps?: number[];
    readonly timestepChecksum?: number;
    /** Latents before some of the steps; null for a value that is not finite. */
    readonly latents: Record<string, (number | null)[]>;
    readonly final: (number | null)[];
    /** diffusers runs off the end of its sigmas unless it is told the index of the first step. */
    readonly crashesUnindexed?: boolean;
  };
}

export const CLASS_OF_SAMPLER = {
  ddim: 'DDIMScheduler',
  ddpm: 'DDPMScheduler',
  euler: 'EulerDiscreteScheduler',
  'euler-a': 'EulerAncestralDiscreteScheduler',
  'dpmpp-2m': 'DPMSolverMultistepScheduler',
  lcm: 'LCMScheduler',
} as const;

export function readGolden<T>(name: 'trajectories' | 'schedules' | 'timesteps' | 'noise'): T {
  return JSON.parse(readFileSync(new URL(`../../fixtures/golden/${name}.json`, import.meta.url), 'utf8')) as T;
}

export function configOf(golden: {
  sampler: PlanOptions['sampler'];
  config: Record<string, unknown>;
}): SchedulerConfig {
  return parseSchedulerConfig({ ...golden.config, _class_name: CLASS_OF_SAMPLER[golden.sampler] });
}

/** The closed-form network of the golden vectors; every operation rounds as in Python. */
export function network(x: Float32Array, timestep: number): Float32Array {
  return x.map((value, i) => 0.7 * (value / (1 + Math.abs(value))) + 0.1 * (i - 1.5) + timestep / 2000);
}

export function checksum(values: Iterable<number>): number {
  let total = 0;
  let position = 0;
  for (const value of values) {
    position += 1;
    total += value * position;
  }
  return total;
}
