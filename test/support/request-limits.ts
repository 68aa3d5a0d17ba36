import type { RequestLimits } from '../../src/options.js';

/** Of a model of 128 pixels, with a sampler that takes eta and one that takes Karras' steps. */
export const LIMITS: RequestLimits = {
  nativeSize: { width: 128, height: 128 },
  sizeGranularity: 8,
  fixedSize: null,
  samplers: {
    ddim: { eta: true, karras: false, maxSteps: 1000 },
    euler: { eta: false, karras: true, maxSteps: 1000 },
  },
  defaults: { steps: 30, guidanceScale: 7.5, sampler: 'ddim' },
};
