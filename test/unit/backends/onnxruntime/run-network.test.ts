import * as runtime from 'onnxruntime-node';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Runtime } from '../../../../src/backends/onnxruntime/port.js';
import { runNetwork } from '../../../../src/backends/onnxruntime/run-network.js';
import type { ModelDescription } from '../../../../src/model/description.js';
import { describeModel } from '../../../../src/model/layout.js';
import { fixture, REFERENCE_IMAGES } from '../../../contract/tiny-jobs.js';

describe('one network of a model', () => {
  let model: ModelDescription;
  const run = (inputs: Parameters<typeof runNetwork>[1]['inputs'], opened: string[] = []) => {
    const request = { model, network: 'textEncoder', inputs } as const;
    return runNetwork(runtime as unknown as Runtime, request, async (path) => void opened.push(path));
  };
  const ids = () => Float32Array.from(REFERENCE_IMAGES[0]?.promptIds as readonly number[]);

  beforeAll(async () => {
    model = await describeModel(fixture('tiny'));
  });

  it('runs alone on what it is given, and its file is named before', async () => {
    const opened: string[] = [];
    const { ids: input, states } = model.textEncoder;
    const outputs = await run({ [input.name]: { shape: [1, ids().length], data: ids() } }, opened);
    const { shape, data } = outputs[states.name] as { shape: number[]; data: Float32Array };
    expect(Object.keys(outputs)).toEqual([states.name]);
    expect(shape).toEqual([1, ids().length, states.shape[2]]);
    expect(data).toHaveLength(shape.reduce((product, size) => product * size));
    expect(data.every(Number.isFinite)).toBe(true);
    expect(opened).toEqual([model.textEncoder.path]);
  });

  it.each([
    ['is missing', () => ({}), /received nothing/],
    [
      'has fewer numbers than its shape',
      (name: string) => ({ [name]: { shape: [1, 99], data: ids() } }),
      /for \[1,99\]/,
    ],
  ])('refuses an input that %s', async (_, inputs, message) => {
    const { name } = model.textEncoder.ids;
    await expect(run(inputs(name))).rejects.toMatchObject({
      code: 'BACKEND_FAILED',
      message: expect.stringMatching(new RegExp(`^${name}: .*${message.source}`)),
    });
  });
});
