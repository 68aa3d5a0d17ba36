import { prediction } from '../prediction.js';
import { preservingFactors } from '../sigmas.js';
import type { Row, Sampler } from './sampler.js';
import { eulerSteps } from './sigma-steps.js';

const f32 = Math.fround;

/**
 * Ancestral sampling with Euler steps: down to a smaller sigma, then up by fresh noise; the split is DDIM's equation 16 with eta 1
 * (Song et al. 2021) in sigma form, as in k-diffusion's `get_ancestral_step`.
 */
export const eulerA: Sampler = {
  acceptsEta: false,
  acceptsKarras: false,
  clips: false,
  indexesTraining: false,
  maxSteps: (config) => config.numTrainTimesteps,

  trajectory(config, { steps }) {
    const { timesteps, sigmas, initScale } = eulerSteps(config, steps, { karras: false, finalSigma: 'zero' });
    const rows = Array.from(timesteps, (_, i): Row => {
      const sigma = sigmas[i] as number;
      const next = sigmas[i + 1] as number;
      const from = preservingFactors(sigma);
      const to = preservingFactors(next);
      const p = prediction(config.predictionType, from.alpha, from.noise);
      // In float32, as the reference: sigma^2 - next^2 is mostly rounding when there are many steps.
      const nextSquared = f32(next * next);
      const squared = f32(sigma * sigma);
      const up = f32(Math.sqrt(Math.max(f32(f32(nextSquared * f32(squared - nextSquared)) / squared), 0)));
      const down = f32(Math.sqrt(Math.max(f32(nextSquared - f32(up * up)), 0)));
      return [p.x0FromX, p.x0FromOut, p.epsFromX, p.epsFromOut, to.alpha, down * to.alpha, up * to.alpha, 0];
    });
    return { timesteps, rows, initScale };
  },
};
