import { prediction } from '../prediction.js';
import { preservingFactors } from '../sigmas.js';
import type { Row, Sampler } from './sampler.js';
import { eulerSteps } from './sigma-steps.js';

/**
 * Euler's method on the probability flow (Karras et al. 2022, algorithm 1 without its second-order correction). In sigma form
 * x' = x0 + sigma' * eps; both sides divided by sqrt(1 + sigma'^2) keep the latents in variance-preserving form.
 */
export const euler: Sampler = {
  acceptsEta: false,
  acceptsKarras: true,
  clips: false,
  indexesTraining: false,
  maxSteps: (config) => config.numTrainTimesteps,

  trajectory(config, { steps, sigmas: kind }) {
    const options = { karras: kind === 'karras', finalSigma: config.finalSigmasType };
    const { timesteps, sigmas, initScale } = eulerSteps(config, steps, options);
    const rows = Array.from(timesteps, (_, i): Row => {
      const from = preservingFactors(sigmas[i] as number);
      const to = preservingFactors(sigmas[i + 1] as number);
      const p = prediction(config.predictionType, from.alpha, from.noise);
      return [p.x0FromX, p.x0FromOut, p.epsFromX, p.epsFromOut, to.alpha, to.noise, 0, 0];
    });
    return { timesteps, rows, initScale };
  },
};
