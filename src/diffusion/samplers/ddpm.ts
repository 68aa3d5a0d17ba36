import { alphasCumprod } from '../betas.js';
import { prediction } from '../prediction.js';
import { spacedTimesteps } from '../timesteps.js';
import { EPS_IS_X, type Row, type Sampler } from './sampler.js';

const f32 = Math.fround;

/** Denoising Diffusion Probabilistic Models (Ho et al. 2020), equations 6 and 7, over the timesteps that are left. */
export const ddpm: Sampler = {
  acceptsEta: false,
  acceptsKarras: false,
  clips: true,
  indexesTraining: true,
  maxSteps: (config) => config.numTrainTimesteps,

  trajectory(config, { steps }) {
    const alphaBars = alphasCumprod(config);
    const timesteps = spacedTimesteps(config, steps, true);
    const rows = Array.from(timesteps, (timestep, i): Row => {
      const alphaBar = alphaBars[timestep] as number;
      const alphaBarNext = i + 1 < steps ? (alphaBars[timesteps[i + 1] as number] as number) : 1;
      const p = prediction(config.predictionType, Math.sqrt(alphaBar), Math.sqrt(1 - alphaBar));
      const alpha = f32(alphaBar / alphaBarNext);
      const beta = f32(1 - alpha);
      const posterior = ((1 - alphaBarNext) / (1 - alphaBar)) * beta;
      const variance = config.varianceType === 'fixed_large' ? beta : Math.max(posterior, MIN_VARIANCE);
      return [
        p.x0FromX,
        p.x0FromOut,
        ...EPS_IS_X,
        (Math.sqrt(alphaBarNext) * beta) / (1 - alphaBar),
        (Math.sqrt(alpha) * (1 - alphaBarNext)) / (1 - alphaBar),
        timestep > 0 ? Math.sqrt(variance) : 0,
        0,
      ];
    });
    return { timesteps, rows, initScale: 1 };
  },
};

/** Keeps the noise of every step but that of timestep 0, so that as much noise is drawn as diffusers draws. */
const MIN_VARIANCE = 1e-20;
