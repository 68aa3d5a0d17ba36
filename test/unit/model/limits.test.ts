import { describe, expect, it } from 'vitest';
import { describeModel } from '../../../src/model/layout.js';
import { type Files, refusal, unet, writeModel } from './model-dir.js';
import { FLOAT, INT64, input, model, output } from './onnx-writer.js';

const plane = (name: string, batch: number | string, ...sizes: (number | string)[]) =>
  input(name, FLOAT, [batch, ...sizes]);
const config = (fields: object) => ({ 'unet/config.json': JSON.stringify({ sample_size: 16, ...fields }) });

describe('sizes that no request could ask for', () => {
  it.each<[string, Files, RegExp[]]>([
    [
      'a batch of a million',
      { 'unet/model.onnx': unet({ sample: plane('sample', 1e6, 4, 'h', 'w') }) },
      [/unet\/model\.onnx: input "sample": batch: expected at most 256, received 1000000/],
    ],
    [
      'a timestep of 10^12 elements',
      { 'unet/model.onnx': unet({ timestep: input('timestep', INT64, [1e12]) }) },
      [/input "timestep": batch: expected at most 256, received 1000000000000/],
    ],
    [
      'latents of 100,000 squared',
      { 'unet/model.onnx': unet({ sample: plane('sample', 2, 4, 1e5, 1e5) }) },
      [
        /unet\/model\.onnx input: height of the latents: expected at most 512 latent pixels \(4096 pixels\) a side, received 100000/,
        /width of the latents/,
      ],
    ],
    [
      'a decoder of fixed latents beyond the largest image',
      { 'vae_decoder/model.onnx': model([plane('z', 1, 4, 513, 512), output('image', FLOAT, [1, 3, 4104, 4096])]) },
      [/height of the latents: expected at most 512/],
    ],
    [
      'a million channels',
      { 'unet/model.onnx': unet({ sample: plane('sample', 'b', 1e6, 'h', 'w') }) },
      [/input "sample": channels: expected at most 1024/, /latent channels: expected one number/],
    ],
    [
      'more in one tensor than memory holds',
      { 'unet/model.onnx': unet({ sample: plane('sample', 256, 4, 512, 1024) }) },
      [
        /"sample": expected at most 268435456 elements, received 536870912 in shape \[256, 4, 512, 1024\]/,
        /width of the latents: expected at most 512/,
      ],
    ],
    [
      'tokens without end',
      {
        'text_encoder/model.onnx': model([
          input('input_ids', INT64, ['b', 4097]),
          output('last_hidden_state', FLOAT, ['b', 16, 32]),
        ]),
      },
      [/input "input_ids": tokens: expected at most 4096, received 4097/, /tokens of the context: expected one number/],
    ],
    [
      'states without end',
      { 'unet/model.onnx': unet({ states: plane('encoder_hidden_states', 'b', 1e9, 32) }) },
      [/"encoder_hidden_states": states: expected at most 16384/, /text states of a prompt: expected one number/],
    ],
    [
      'a guidance embedding without end',
      { 'unet/model.onnx': unet({ more: plane('timestep_cond', 'b', 1e9) }) },
      [/"timestep_cond": size of a state/],
    ],
    [
      'a sample_size beyond the limit',
      config({ sample_size: 513 }),
      [/unet\/config\.json: sample_size: expected at most 512 latent pixels/],
    ],
    [
      // 4096 is no multiple of 3: 1365 latent pixels fit, and a third of one does not.
      'a sample_size beyond it by a part of a latent pixel',
      {
        ...config({ sample_size: 1366 }),
        'vae/config.json': null,
        'vae_decoder/model.onnx': model([plane('z', 'b', 4, 8, 8), output('image', FLOAT, ['b', 3, 24, 24])]),
      },
      [/unet\/config\.json: sample_size: expected at most 1365 latent pixels/],
    ],
    ['a sample_size far beyond it', config({ sample_size: 1e12 }), [/unet\/config\.json: sample_size/]],
    [
      'a granularity beyond it',
      {
        ...config({ block_out_channels: Array(8).fill(1) }),
        'vae/config.json': JSON.stringify({ block_out_channels: Array(8).fill(1) }),
      },
      [/block_out_channels.*at most 32 latent pixels.*received 128/],
    ],
  ])('are refused by name: %s', async (_, changes, messages) => {
    const message = await refusal(writeModel(changes));
    for (const pattern of messages) expect(message).toMatch(pattern);
    expect(message.match(/received/g)).toHaveLength(messages.length);
  });

  it('are allowed up to the limit', async () => {
    const dir = writeModel(config({ sample_size: 512, in_channels: 4, cross_attention_dim: 32 }));
    expect((await describeModel(dir)).nativeSize).toEqual({ width: 4096, height: 4096 });
  });
});

describe('batches that a graph fixes', () => {
  it.each<[string, Files, RegExp]>([
    [
      'of latents and text states',
      {
        'unet/model.onnx': unet({
          sample: plane('sample', 2, 4, 'h', 'w'),
          states: plane('encoder_hidden_states', 1, 16, 32),
        }),
      },
      /batch of unet\/model\.onnx: expected one number, received 2 in "sample", 1 in "encoder_hidden_states"/,
    ],
    [
      'of latents and timesteps',
      {
        'unet/model.onnx': unet({
          sample: plane('sample', 2, 4, 'h', 'w'),
          timestep: input('timestep', INT64, [3]),
        }),
      },
      /2 in "sample", 3 in "timestep"/,
    ],
    [
      'of latents and guidance embeddings',
      {
        'unet/model.onnx': unet({ sample: plane('sample', 2, 4, 'h', 'w'), more: plane('timestep_cond', 3, 256) }),
      },
      /2 in "sample", 3 in "timestep_cond"/,
    ],
    [
      'of latents and predictions',
      {
        'unet/model.onnx': unet({
          sample: plane('sample', 2, 4, 'h', 'w'),
          output: output('out_sample', FLOAT, [1, 4, 'h', 'w']),
        }),
      },
      /2 in "sample", 1 in "out_sample"/,
    ],
    [
      'of ids and states',
      {
        'text_encoder/model.onnx': model([
          input('input_ids', INT64, [1, 16]),
          output('last_hidden_state', FLOAT, [2, 16, 32]),
        ]),
      },
      /batch of text_encoder\/model\.onnx.*1 in "input_ids", 2 in "last_hidden_state"/,
    ],
    [
      'of latents and images',
      { 'vae_decoder/model.onnx': model([plane('z', 1, 4, 'h', 'w'), output('image', FLOAT, [2, 3, 'H', 'W'])]) },
      /batch of vae_decoder\/model\.onnx/,
    ],
    [
      'of ids and mask',
      {
        'text_encoder/model.onnx': model([
          input('input_ids', INT64, [1, 16]),
          input('attention_mask', INT64, [2, 16]),
          output('last_hidden_state', FLOAT, [1, 16, 32]),
        ]),
      },
      /batch of text_encoder\/model\.onnx/,
    ],
  ])('are the same for all its tensors: %s', async (_, changes, message) => {
    expect(await refusal(writeModel(changes))).toMatch(message);
  });

  it('may be one timestep for all rows', async () => {
    const dir = writeModel({ 'unet/model.onnx': unet({ sample: plane('sample', 2, 4, 'h', 'w') }) });
    expect((await describeModel(dir)).unet.timestep.shape).toEqual([1]);
  });
});
