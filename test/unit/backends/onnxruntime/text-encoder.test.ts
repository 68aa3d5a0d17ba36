import * as runtime from 'onnxruntime-common';
import { beforeEach, describe, expect, it } from 'vitest';
import type { Network } from '../../../../src/backends/onnxruntime/network.js';
import type { Port } from '../../../../src/backends/onnxruntime/port.js';
import { TextEncoder } from '../../../../src/backends/onnxruntime/text-encoder.js';
import type { TensorInfo, TextEncoderGraph } from '../../../../src/model/description.js';

const tensor = (name: string, type: TensorInfo['type'], ...shape: (number | null)[]) => ({ name, type, shape });
const GRAPH: TextEncoderGraph = {
  path: '/m/text.onnx',
  ids: tensor('ids', 'int64', null, 3),
  attentionMask: null,
  states: tensor('states', 'float32', null, 3, 2),
};

/** What the graph was run on, in order. */
let runs: Record<string, number[]>[];

/** Gives every row of the batch the sum of its ids, and its place. */
const network = {
  async run(inputs: Record<string, Port>) {
    const values = ({ tensor }: Port) => Array.from(tensor.data as BigInt64Array, Number);
    runs.push(Object.fromEntries(Object.entries(inputs).map(([name, port]) => [name, values(port)])));
    const { ids } = inputs as { ids: Port };
    const rows = ids.tensor.dims[0] as number;
    const sum = values(ids).reduce((total, id) => total + id) / rows;
    const states = Float32Array.from({ length: rows * 6 }, (_, i) => sum + i);
    return { states: new runtime.Tensor('float32', states, [rows, 3, 2]) };
  },
} as unknown as Network;

beforeEach(() => {
  runs = [];
});

describe('the text encoder', () => {
  it('gives the states of a prompt, of the first row where the batch is fixed', async () => {
    const states = { shape: [3, 2], data: Float32Array.of(6, 7, 8, 9, 10, 11) };
    expect(await new TextEncoder(runtime, GRAPH, network).encode(Int32Array.of(1, 2, 3))).toEqual(states);
    const fixed = { ...GRAPH, ids: tensor('ids', 'int64', 2, 3) };
    expect(await new TextEncoder(runtime, fixed, network).encode(Int32Array.of(1, 2, 3))).toEqual(states);
    expect(runs).toEqual([{ ids: [1, 2, 3] }, { ids: [1, 2, 3, 1, 2, 3] }]);
  });

  it('masks nothing where the graph asks for a mask', async () => {
    const masked = { ...GRAPH, attentionMask: tensor('mask', 'int64', null, 3) };
    await new TextEncoder(runtime, masked, network).encode(Int32Array.of(1, 2, 3));
    expect(runs).toEqual([{ ids: [1, 2, 3], mask: [1, 1, 1] }]);
  });

  it('remembers the sixteen prompts that it was asked for last', async () => {
    const encoder = new TextEncoder(runtime, GRAPH, network);
    const encode = (id: number) => encoder.encode(Int32Array.of(id, 0, 0));
    for (let id = 0; id < 16; id++) await encode(id);
    // Asked for again, the first one is the newest.
    expect((await encode(0)).data[0]).toBe(0);
    expect(runs).toHaveLength(16);
    await encode(16);
    await encode(0);
    expect(runs).toHaveLength(17);
    await encode(1);
    expect(runs).toHaveLength(18);
  });
});
