import { defaultSampler } from '../diffusion/plan.js';
import { SAMPLERS } from '../diffusion/samplers/index.js';
import type { ModelDescription } from '../model/description.js';
import type { RequestLimits } from '../options.js';

/** What requests are checked against for this model; defaults come from its manifest where it has one. */
export function limitsOf(model: ModelDescription): RequestLimits {
  const samplers = Object.entries(SAMPLERS).map(([name, sampler]) => {
    const { acceptsEta: eta, acceptsKarras: karras } = sampler;
    return [name, { eta, karras, maxSteps: sampler.maxSteps(model.scheduler) }] as const;
  });
  return {
    nativeSize: model.nativeSize,
    sizeGranularity: model.sizeGranularity,
    fixedSize: model.fixedSize,
    samplers: Object.fromEntries(samplers),
    defaults: model.manifest?.defaults ?? {
      steps: 30,
      guidanceScale: 7.5,
      sampler: defaultSampler(model.scheduler),
    },
  };
}
