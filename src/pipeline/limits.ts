import { classDefaults } from '../diffusion/class-defaults.js';
import { defaultSampler, samplerRefusal, samplerReplacement } from '../diffusion/model-sampler.js';
import { SAMPLER_NAMES, SAMPLERS } from '../diffusion/samplers/index.js';
import type { ModelDescription } from '../model/description.js';
import type { RequestDefaults, RequestLimits } from '../options.js';

/** What diffusers' LatentConsistencyModelPipeline takes: weights that learnt guidance never saw a scale of 1. */
const DISTILLED_GUIDANCE = 8.5;

/** What requests are checked against for this model; defaults come from its manifest where it has one. */
export function limitsOf(model: ModelDescription): RequestLimits {
  const { scheduler, manifest } = model;
  const samplers = SAMPLER_NAMES.map((name) => {
    const { acceptsEta: eta, acceptsKarras: karras, maxSteps } = SAMPLERS[name];
    const refusal = samplerRefusal(scheduler, name) ?? undefined;
    return [name, { eta, karras, maxSteps: maxSteps(scheduler), refusal }] as const;
  });
  return {
    nativeSize: model.nativeSize,
    sizeGranularity: model.sizeGranularity,
    fixedSize: model.fixedSize,
    samplers: Object.fromEntries(samplers),
    defaults: manifest?.defaults ?? classRequestDefaults(model),
    replacement: manifest ? undefined : (samplerReplacement(scheduler) ?? undefined),
    presets: manifest?.presets ?? {},
  };
}

/** What the class of the model's scheduler means, for a model without a manifest. */
function classRequestDefaults({ scheduler, guidanceWidth }: ModelDescription): RequestDefaults {
  const { steps, guidanceScale } = classDefaults(scheduler.className);
  return {
    steps,
    guidanceScale: guidanceWidth === null ? guidanceScale : DISTILLED_GUIDANCE,
    sampler: defaultSampler(scheduler),
  };
}
