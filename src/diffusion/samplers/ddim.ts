import { alphasCumprod } from '../betas.js';
import { prediction } from '../prediction.js';
import { spacedTimesteps } from '../timesteps.js';
import type { Row, Sampler } from './sampler.js';

const f32 = Math.fround;

/** Denoising Diffusion Implicit Models (Song et al. 2021), equations 12 and 16. */
export const ddim: Sampler = {
  acceptsEta: true,
  acceptsKarras: false,
  clips: true,
  indexesTraining: true,
  maxSteps: (config) => config.numTrainTimesteps,

  trajectory(config, { steps, eta }) {
    const alphaBars = alphasCumprod(config);
    const finalAlphaBar = config.setAlphaToOne ? 1 : (alphaBars[0] as number);
    const timesteps = spacedTimesteps(config, steps, true);
    // Not the next timestep of the list: diffusers steps back by the stride of leading spacing, whatever the spacing is.
    const stride = Math.floor(config.numTrainTimesteps / steps);
    const rows = Array.from(timesteps, (timestep): Row => {
      const alphaBar = alphaBars[timestep] as number;
      const previous = timestep - stride;
      const alphaBarNext = previous >= 0 ? (alphaBars[previous] as number) : finalAlphaBar;
      const p = prediction(config.predictionType, Math.sqrt(alphaBar), Math.sqrt(1 - alphaBar));
      // Equation 16; rounded to float32 where neighbours are so close that the difference is mostly rounding.
      const variance = f32((1 - alphaBarNext) / (1 - alphaBar)) * f32(1 - f32(alphaBar / alphaBarNext));
      const noise = eta * Math.sqrt(variance);
      return [
        p.x0FromX,
        p.x0FromOut,
        p.epsFromX,
        p.epsFromOut,
        Math.sqrt(alphaBarNext),
        Math.sqrt(Math.max(1 - alphaBarNext - noise * noise, 0)),
        noise,
        0,
      ];
    });
    return { timesteps, rows, initScale: 1 };
  },
};
