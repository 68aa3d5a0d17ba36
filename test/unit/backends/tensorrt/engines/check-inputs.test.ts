import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import type { NetworkReference, NetworkTensor } from '../../../../../src/backends/backend.js';
import { checkInputs } from '../../../../../src/backends/tensorrt/engines/check-inputs.js';
import { fromNative, toNative } from '../../../../../src/backends/tensorrt/engines/tensors.js';
import { guidanceEmbedding } from '../../../../../src/diffusion/guidance-embedding.js';
import { TorchGenerator } from '../../../../../src/diffusion/torch-generator.js';
import { describeModel } from '../../../../../src/model/layout.js';
import { loadTokenizer } from '../../../../../src/model/tokenizer.js';
import { toyReference } from '../../../../support/toy-networks.js';

/** A text encoder of 16 states, whatever the model says. */
const sixteenStates: NetworkReference = {
  runtime: 'sixteen 1.0',
  run: async (model) => ({
    [model.textEncoder.states.name]: { shape: [1, 16, 16], data: new Float32Array(256) },
  }),
};

const FIXTURES = fileURLToPath(new URL('../../../../fixtures/', import.meta.url));
const opt = { batch: 2, height: 4, width: 8 };
const { signal } = new AbortController();
const PROFILE = { min: { ...opt, batch: 1 }, opt, max: { ...opt, batch: 4 } };

describe('the inputs of a check', () => {
  it('are the ids of a prompt for the text encoder', async () => {
    const model = await describeModel(join(FIXTURES, 'tiny'));
    const { ids } = model.textEncoder;
    const inputs = await checkInputs(model, 'textEncoder', PROFILE, toyReference, signal);
    const tensor = inputs[ids.name] as NetworkTensor;
    expect(tensor.shape).toEqual([1, model.tokenizer.contextLength]);
    const expected = (await loadTokenizer(model)).encode('a photo of a red apple on a wooden table').ids;
    expect([...tensor.data]).toEqual([...expected]);
  });

  it('are latents of seed 0, a middle timestep and the states of two prompts for the UNet', async () => {
    const model = await describeModel(join(FIXTURES, 'tiny'));
    const { sample, timestep, encoderHiddenStates } = model.unet;
    const inputs = await checkInputs(model, 'unet', PROFILE, toyReference, signal);
    expect(inputs[sample.name]?.shape).toEqual([4, model.latentChannels, 4, 8]);
    expect(inputs[sample.name]?.data).toEqual(new TorchGenerator(0).randn(4 * model.latentChannels * 32));
    expect([...(inputs[timestep.name] as NetworkTensor).data].every((value) => value === 500)).toBe(true);
    const { shape, data } = inputs[encoderHiddenStates.name] as NetworkTensor;
    const row = data.length / 4;
    expect(shape[0]).toBe(4);
    const rows = [0, 1, 2, 3].map((i) => data.subarray(i * row, (i + 1) * row));
    expect(rows[0]).not.toEqual(rows[1]);
    expect(rows[2]).toEqual(rows[0]);
    expect(rows[3]).toEqual(rows[1]);
  });

  it('hold the guidance embedding for a UNet that takes one, and all states of a prompt', async () => {
    const model = await describeModel(join(FIXTURES, 'tiny-lcm'));
    const inputs = await checkInputs(model, 'unet', PROFILE, toyReference, signal);
    expect(inputs.encoder_hidden_states?.shape).toEqual([4, 32, 16]);
    const { shape, data } = inputs.timestep_cond as NetworkTensor;
    expect(shape).toEqual([4, 32]);
    expect(data.subarray(96)).toEqual(guidanceEmbedding(7.5, 32));
  });

  it('take one row of a text encoder that runs more of them at once', async () => {
    const one = await describeModel(join(FIXTURES, 'tiny'));
    const { ids } = one.textEncoder;
    const [, context = null] = ids.shape;
    const two = { ...one, textEncoder: { ...one.textEncoder, ids: { ...ids, shape: [2, context] } } };
    const { name } = one.unet.encoderHiddenStates;
    const alone = await checkInputs(one, 'unet', PROFILE, toyReference, signal);
    expect((await checkInputs(two, 'unet', PROFILE, toyReference, signal))[name]).toEqual(alone[name]);
  });

  it('hold a mask of ones where the text encoder takes one', async () => {
    const model = await describeModel(join(FIXTURES, 'tiny'));
    const attentionMask = { ...model.textEncoder.ids, name: 'attention_mask' };
    const masked = { ...model, textEncoder: { ...model.textEncoder, attentionMask } };
    const inputs = await checkInputs(masked, 'textEncoder', PROFILE, toyReference, signal);
    const shape = [1, model.tokenizer.contextLength];
    expect(inputs.attention_mask).toEqual({ shape, data: new Float32Array(model.tokenizer.contextLength).fill(1) });
    expect(await checkInputs(model, 'textEncoder', PROFILE, toyReference, signal)).not.toHaveProperty('attention_mask');
  });

  it('refuse a text encoder that gives another number of states than the graphs say', async () => {
    const model = { ...(await describeModel(join(FIXTURES, 'tiny'))), statesPerPrompt: 20 };
    await expect(checkInputs(model, 'unet', PROFILE, sixteenStates, signal)).rejects.toMatchObject({
      code: 'MODEL_INVALID',
      message: expect.stringMatching(/20 text states of a prompt.*received 16/),
    });
  });

  it('are unscaled latents for the decoder', async () => {
    const model = { ...(await describeModel(join(FIXTURES, 'tiny'))), scalingFactor: 0.5, shiftFactor: 0.25 };
    const inputs = await checkInputs(model, 'vaeDecoder', PROFILE, toyReference, signal);
    const { shape, data } = inputs[model.vaeDecoder.latents.name] as NetworkTensor;
    expect(shape).toEqual([2, model.latentChannels, 4, 8]);
    expect(data).toEqual(new TorchGenerator(0).randn(data.length).map((value) => value * 2 + 0.25));
  });
});

describe('tensors on their way', () => {
  it.each(['float32', 'float16', 'bfloat16', 'int32', 'int64'] as const)('keep their numbers as %s', (type) => {
    const values = Float32Array.of(0, 1, -2, 49407);
    const kept = type === 'float16' || type === 'bfloat16' ? Float32Array.of(0, 1, -2, 49408) : values;
    const native = toNative({ shape: [2, 2], data: values }, type);
    expect(native).toMatchObject({ type, dims: [2, 2] });
    expect(native.data.byteLength).toBe(4 * { float32: 4, float16: 2, bfloat16: 2, int32: 4, int64: 8 }[type]);
    // Bytes that start at an odd place, as they may come.
    const shifted = new Uint8Array(native.data.byteLength + 1);
    shifted.set(native.data, 1);
    expect(fromNative({ ...native, data: shifted.subarray(1) })).toEqual({ shape: [2, 2], data: kept });
  });

  it('round to integers with ties to even', () => {
    const { data } = fromNative(toNative({ shape: [3], data: Float32Array.of(0.5, 1.5, -2.7) }, 'int32'));
    expect([...data]).toEqual([0, 2, -3]);
  });
});
