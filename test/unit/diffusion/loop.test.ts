import { describe, expect, it } from 'vitest';
import { type DenoiseOptions, denoise } from '../../../src/diffusion/loop.js';
import { ImageNoise } from '../../../src/diffusion/noise.js';
import { createPlan } from '../../../src/diffusion/plan.js';
import { parseSchedulerConfig } from '../../../src/diffusion/schedule.js';
import { network } from './golden.js';

const LATENT_SIZE = 20;
const config = parseSchedulerConfig({ _class_name: 'EulerDiscreteScheduler' });
const plan = createPlan(config, { sampler: 'euler-a', steps: 4 });
const drawn = (): (() => Float32Array) => {
  const noise = new ImageNoise(5, LATENT_SIZE);
  return () => noise.next();
};
const run = (options: Omit<DenoiseOptions, 'plan' | 'drawNoise'>, drawNoise = drawn()) =>
  denoise({ plan, drawNoise, ...options });
const base = { guidanceScale: 1 };
const predict = async (x: Float32Array, timestep: number) => ({
  conditional: network(x, timestep),
  unconditional: null,
});

describe('denoise', () => {
  it('starts from the noise times initScale and tells the network each timestep', async () => {
    const seen: number[] = [];
    let first: Float32Array | undefined;
    await run({
      ...base,
      predict: (x, timestep, index) => {
        first ??= x.slice();
        expect(index).toBe(seen.length);
        seen.push(timestep);
        return predict(x, timestep);
      },
    });
    expect(plan.initScale).not.toBe(1);
    expect(first).toEqual(drawn()().map((value) => value * plan.initScale));
    expect(seen).toEqual(Array.from(plan.timesteps));
  });

  it('draws a block for the first latents and one for each row that adds noise, when the row comes', async () => {
    const order: string[] = [];
    const draw = drawn();
    const drawNoise = () => {
      order.push('draw');
      return draw();
    };
    const onStep = (done: number) => void order.push(`done ${done}`);
    await run({ ...base, predict, onStep }, drawNoise);
    expect(order).toEqual(['draw', 'draw', 'done 1', 'draw', 'done 2', 'draw', 'done 3', 'done 4']);
  });

  it('ends at the x0 of the last step where no noise is left, and leaves its inputs alone', async () => {
    const draw = drawn();
    const noise: Float32Array[] = [];
    const drawNoise = () => {
      const block = draw();
      noise.push(block);
      return block;
    };
    const estimates: Float32Array[] = [];
    const final = await run({ ...base, predict, onStep: (_, x0) => void estimates.push(x0.slice()) }, drawNoise);
    expect(estimates.length).toBe(4);
    expect(final).toEqual(estimates[3]);
    expect(final).not.toEqual(estimates[0]);
    const again = drawn();
    expect(noise).toEqual(noise.map(() => again()));
  });

  it('gives one image for one seed, run after run', async () => {
    expect(await run({ ...base, predict })).toEqual(await run({ ...base, predict }));
  });

  it('guides from the unconditional output only above a scale of 1', async () => {
    const both = async (x: Float32Array, timestep: number) => ({
      conditional: network(x, timestep),
      unconditional: network(x, 0),
    });
    const unguided = await run({ ...base, predict });
    expect(await run({ ...base, predict: both })).toEqual(unguided);
    expect(await run({ ...base, guidanceScale: 0.5, predict: both })).toEqual(unguided);
    const guided = await run({ ...base, guidanceScale: 3, predict: both });
    expect(guided).not.toEqual(unguided);
    const mixed = async (x: Float32Array, timestep: number) => {
      const [u, c] = [network(x, 0), network(x, timestep)];
      const f32 = Math.fround;
      return { conditional: u.map((ui, i) => ui + f32(3 * f32((c[i] as number) - ui))), unconditional: null };
    };
    expect(await run({ ...base, predict: mixed })).toEqual(guided);
  });

  it('waits for onStep and counts the steps from 1', async () => {
    const order: string[] = [];
    await run({
      ...base,
      predict: (x, timestep, index) => {
        order.push(`predict ${index}`);
        return predict(x, timestep);
      },
      onStep: async (done) => {
        await new Promise(setImmediate);
        order.push(`done ${done}`);
      },
    });
    expect(order).toEqual([0, 1, 2, 3].flatMap((i) => [`predict ${i}`, `done ${i + 1}`]));
  });

  it('stops before the next network call with the reason of the signal', async () => {
    const controller = new AbortController();
    const reason = new Error('enough');
    let calls = 0;
    const running = run({
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
    await expect(run({ ...base, predict, signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  });
});
