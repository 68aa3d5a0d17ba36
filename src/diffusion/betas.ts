import type { SchedulerConfig } from './schedule.js';

const f32 = Math.fround;

/**
 * Cumulative products of alpha = 1 - beta over the training timesteps, rounded where PyTorch rounds (float32 betas and
 * alphas, products accumulated in float64 as torch.cumprod does, stored as float32).
 *
 * @returns alpha bar, length `numTrainTimesteps`; index t is training timestep t
 */
export function alphasCumprod(config: SchedulerConfig): Float32Array {
  const betas = trainingBetas(config);
  return cumulate(config.rescaleBetasZeroSnr ? rescaleZeroTerminalSnr(betas) : betas);
}

/** Noise schedule of training: DDPM (Ho et al. 2020, section 4), its square-root form of latent diffusion, or the cosine one. */
function trainingBetas(config: SchedulerConfig): Float32Array {
  const { betaStart, betaEnd, numTrainTimesteps: count } = config;
  if (config.trainedBetas !== null) return Float32Array.from(config.trainedBetas);
  switch (config.betaSchedule) {
    case 'squaredcos_cap_v2':
      return cosineBetas(count);
    case 'scaled_linear':
      return linspace(Math.sqrt(betaStart), Math.sqrt(betaEnd), count).map((root) => f32(root * root));
    default:
      return linspace(betaStart, betaEnd, count);
  }
}

/** torch.linspace in float32: counts from the nearer end, product and sum fused (rounded once), as its compiled code does. */
function linspace(start: number, end: number, count: number): Float32Array {
  const [first, last] = [f32(start), f32(end)];
  if (count === 1) return Float32Array.of(first);
  const step = f32(f32(last - first) / (count - 1));
  const half = Math.floor(count / 2);
  return Float32Array.from({ length: count }, (_, i) => (i < half ? first + step * i : last - step * (count - 1 - i)));
}

/** Nichol and Dhariwal 2021, equation 17, betas capped at 0.999. */
function cosineBetas(count: number): Float32Array {
  const alphaBar = (t: number) => Math.cos((((t + 0.008) / 1.008) * Math.PI) / 2) ** 2;
  return Float32Array.from({ length: count }, (_, i) =>
    Math.min(1 - alphaBar((i + 1) / count) / alphaBar(i / count), 0.999),
  );
}

/** Lin et al. 2023 (Common Diffusion Noise Schedules and Sample Steps are Flawed), algorithm 1. */
function rescaleZeroTerminalSnr(betas: Float32Array): Float32Array {
  const roots = cumulate(betas).map(Math.sqrt);
  const first = roots[0] as number;
  const last = roots[roots.length - 1] as number;
  const scale = f32(first / f32(first - last));
  const alphaBars = roots.map((root) => f32(f32(root - last) * scale) ** 2);
  return alphaBars.map((alphaBar, i) => 1 - (i === 0 ? alphaBar : f32(alphaBar / (alphaBars[i - 1] as number))));
}

function cumulate(betas: Float32Array): Float32Array {
  let product = 1;
  return betas.map((beta) => {
    product *= f32(1 - beta);
    return product;
  });
}
