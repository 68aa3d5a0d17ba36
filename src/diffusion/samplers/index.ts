import { ddim } from './ddim.js';
import { ddpm } from './ddpm.js';
import { dpmpp2m } from './dpmpp-2m.js';
import { euler } from './euler.js';
import { eulerA } from './euler-a.js';
import { lcm } from './lcm.js';
import type { Sampler } from './sampler.js';

/** Every sampler by the name users give. A new one is one file and one line here. */
export const SAMPLERS = {
  ddim,
  ddpm,
  euler,
  'euler-a': eulerA,
  'dpmpp-2m': dpmpp2m,
  lcm,
} as const satisfies Record<string, Sampler>;

export type SamplerName = keyof typeof SAMPLERS;

export const SAMPLER_NAMES = Object.keys(SAMPLERS) as readonly SamplerName[];
