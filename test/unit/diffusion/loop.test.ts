import { describe, expect, it } from 'vitest';
import { denoise } from '../../../src/diffusion/loop.js';
import { imageNoise } from '../../../src/diffusion/noise.js';
import { createPlan } from '../../../src/diffusion/plan.js';
import { parseSchedulerConfig } from '../../../src/diffusion/schedule.js';
import { network } from './golden.js';

const LATENT_SIZE = 20;
const config = parseSchedulerConfig({ _class_name: 'EulerDiscreteScheduler' });
const plan = createPlan(config, { sampler: 'euler-a', steps: 4 });
const noise = imageNoise(5, LATENT_SIZE, plan);
const base = { plan, noise, latentSize: LATENT_SIZE, guidanceScale: 1 };
const predict = async (x: Float32Array, timestep: number) => ({
  conditional: network(x, timestep),
  unconditional: null,
});

describe('denoise', () => {
  it('starts from the noise times initScale and tells the network each timestep', async () => {
    const seen: number[] = [];
    let first: Float32Array | undefined;
    await denoise({
      ...base,
      predict: (x, timestep, index) => {
        first ??= x.slice();
        expect(index).toBe(seen.length);
        seen.push(timestep);
        return predict(x, timestep);
      },
    });
    expect(plan.initScale).not.toBe(1);
    expect(first).toEqual(noise.slice(0, LATENT_SIZE).map((value) => value * plan.initScale));
    expect(seen).toEqual(Array.from(plan.timesteps));
  });

  it('ends at the x0 of the last step where no noise is left, and leaves its inputs alone', async () => {
    const before = noise.slice();
    const estimates: Float32Array[] = [];
    const final = await denoise({ ...base, predict, onStep: (_, x0) => void estimates.push(x0.slice()) });
    expect(estimates.length).toBe(4);
    expect(final).toEqual(estimates[3]);
    expect(final).not.toEqual(estimates[0]);
    expect(noise).toEqual(before);
  });

  it('gives one picture for one seed, run after run', async () => {
    expect(await denoise({ ...base, predict })).toEqual(await denoise({ ...base, predict }));
  });

  it('guides from the unconditional output only above a scale of 1', async () => {
    const both = async (x: Float32Array, timestep: number) => ({
      conditional: network(x, timestep),
      unconditional: network(x, 0),
    });
    const unguided = await denoise({ ...base, predict });
    expect(await denoise({ ...base, predict: both })).toEqual(unguided);
    expect(await denoise({ ...base, guidanceScale: 0.5, predict: both })).toEqual(unguided);
    const guided = await denoise({ ...base, guidanceScale: 3, predict: both });
    expect(guided).not.toEqual(unguided);
    const mixed = async (x: Float32Array, timestep: number) => {
      const [u, c] = [network(x, 0), network(x, timestep)];
      const f32 = Math.fround;
      return { conditional: u.map((ui, i) => ui + f32(3 * f32((c[i] as number) - ui))), unconditional: null };
    };
    expect(await denoise({ ...base, predict: mixed })).toEqual(guided);
  });

  it('waits for onStep and counts the steps from 1', async () => {
    const order: string[] = [];
    await denoise({
      ...base,
      predict: (x, timestep, index) => {
        order.push(`predict ${index}`);
        return predict(x, timestep);
      },
      onStep: async (done) => {
        await new Promise((resolve) => setTimeout(resolve, 1));
        order.push(`done ${done}`);
      },
    });
    expect(order).toEqual([0, 1, 2, 3].flatMap((i) => [`predict ${i}`, `done ${i + 1}`]));
  });

  it('stops before the next network call with the reason of the signal', async () => {
    const controller = new AbortController();
    const reason = new Error('enough');
    let calls = 0;
    const running = denoise({
      ...base,
      signal: controller.signal,
      predict: (x, timestep) => {
        calls += 1;
        if (calls === 2) controller.abort(reason);
        return predict(x, timestep);
      },
    });
    await expect(running).rejects.toBe(reason);
    expect(calls).toBe(2);
    await expect(denoise({ ...base, predict, signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  });
});
