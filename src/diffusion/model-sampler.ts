import { classDefaults } from './class-defaults.js';
import { SAMPLER_NAMES, type SamplerName } from './samplers/index.js';
import type { SchedulerConfig } from './schedule.js';

/** Why the model's schedule keeps a sampler from being used, as the rest of a sentence; null where nothing does. */
export function samplerRefusal(config: SchedulerConfig, sampler: SamplerName): string | null {
  const settings = config.unsupported.filter(({ samplers }) => samplers.includes(sampler));
  if (settings.length === 0) return null;
  const [has, needs] = [
    settings.map(({ field, received }) => `${field} ${received}`),
    settings.map(({ field, expected }) => `${field} ${expected}`),
  ];
  return `scheduler_config.json has ${has.join(' and ')}; ${sampler} needs ${needs.join(' and ')}`;
}

/**
 * The sampler that the model's scheduler class stands for; `ddim` where the file names no class. Where the schedule keeps that one
 * from being used, the first of all samplers that it lets be used.
 */
export function defaultSampler(config: SchedulerConfig): SamplerName {
  const { sampler } = classDefaults(config.className);
  const usable = (name: SamplerName) => samplerRefusal(config, name) === null;
  return usable(sampler) ? sampler : (SAMPLER_NAMES.find(usable) ?? sampler);
}

/** Why {@link defaultSampler} is not what the model's scheduler does, as a sentence; null where it is. */
export function samplerReplacement(config: SchedulerConfig): string | null {
  const { sampler, exact } = classDefaults(config.className);
  const missing = exact ? null : `This package has no ${config.className}`;
  const reasons = [missing, samplerRefusal(config, sampler)].filter((reason) => reason !== null);
  return reasons.length === 0 ? null : `${reasons.join('; ')}: ${defaultSampler(config)} is used in its place`;
}
