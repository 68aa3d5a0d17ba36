import * as runtime from 'onnxruntime-common';
import { beforeEach, describe, expect, it } from 'vitest';
import { type Conditions, Denoiser } from '../../../../src/backends/onnxruntime/denoiser.js';
import type { Network } from '../../../../src/backends/onnxruntime/network.js';
import type { Port } from '../../../../src/backends/onnxruntime/port.js';
import type { TensorInfo, UnetGraph } from '../../../../src/model/description.js';

const tensor = (name: string, ...shape: (number | null)[]): TensorInfo => ({ name, type: 'float32', shape });

/** @param batch that the graph fixes; null for any */
const graph = (batch: number | null, guidance = false): UnetGraph => ({
  path: '/m/unet.onnx',
  sample: tensor('sample', batch, 1, 1, 2),
  timestep: tensor('timestep', batch),
  encoderHiddenStates: tensor('states', batch, 1, 1),
  timestepCond: guidance ? tensor('guidance', batch, 2) : null,
  output: tensor('output', batch, 1, 1, 2),
});

let runs: Record<string, number[]>[];

/** Adds the row's state to each value of its sample. */
const network = {
  async run(inputs: Record<string, Port>, { output }: { output: Port }) {
    const values = ({ tensor }: Port) => [...(tensor.data as Float32Array)];
    runs.push(Object.fromEntries(Object.entries(inputs).map(([name, port]) => [name, values(port)])));
    const states = values(inputs.states as Port);
    output.write(
      values(inputs.sample as Port).map((value, i) => value + (states[i >> 1] as number)),
      0,
    );
  },
} as unknown as Network;

const states = (value: number) => ({ data: Float32Array.of(value), shape: [1, 1] });
const denoiser = (batch: number | null, conditions: Conditions, embedding: Float32Array | null = null) =>
  new Denoiser(runtime, graph(batch, embedding !== null), network, conditions, [1, 1, 2], embedding);
const alone: Conditions = { prompt: states(10), guidance: null };

beforeEach(() => {
  runs = [];
});

describe('the denoiser', () => {
  it.each([
    ['any batch runs both conditions in one forward', null, [{ states: [20, 10], rows: 2 }]],
    [
      'a batch of one runs them one after the other',
      1,
      [
        { states: [20], rows: 1 },
        { states: [10], rows: 1 },
      ],
    ],
    ['a larger batch fills what is left over', 3, [{ states: [20, 10, 10], rows: 3 }]],
  ])('of %s', async (_, batch, expected) => {
    const output = await denoiser(batch, { prompt: states(10), guidance: { scale: 3, negative: states(20) } }).predict(
      Float32Array.of(1, 2),
      7,
    );
    // The negative prompt comes first.
    expect(output).toEqual(Float32Array.of(21 + 3 * (11 - 21), 22 + 3 * (12 - 22)));
    expect(runs).toEqual(
      expected.map(({ states, rows }) => ({
        sample: Array.from({ length: rows }, () => [1, 2]).flat(),
        timestep: Array(rows).fill(7),
        states,
      })),
    );
  });

  it('without guidance gives the network’s output', async () => {
    const output = await denoiser(null, alone).predict(Float32Array.of(1, 2), 7);
    expect(output).toEqual(Float32Array.of(11, 12));
    expect(runs).toEqual([{ sample: [1, 2], timestep: [7], states: [10] }]);
  });

  it('gives numbers that later forwards leave alone, and takes each step’s own', async () => {
    const one = denoiser(null, alone);
    const first = await one.predict(Float32Array.of(1, 2), 7);
    await one.predict(Float32Array.of(3, 4), 6);
    expect(first).toEqual(Float32Array.of(11, 12));
    expect(runs[1]).toEqual({ sample: [3, 4], timestep: [6], states: [10] });
  });

  it('tells a graph that asks for it the guidance', async () => {
    await denoiser(null, alone, Float32Array.of(5, 6)).predict(Float32Array.of(1, 2), 7);
    expect(runs[0]?.guidance).toEqual([5, 6]);
  });
});
