import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { describeModel } from '../../../src/model/layout.js';
import { loadTokenizer } from '../../../src/model/tokenizer.js';
import { refusal, SMALLEST, scratch, writeModel } from './model-dir.js';
import { FLOAT, INT64, input, model, output } from './onnx-writer.js';

const fixture = (name: string) => new URL(`../../fixtures/${name}`, import.meta.url).pathname;
const unet = (changes: { sample?: Buffer; timestep?: Buffer; states?: Buffer; output?: Buffer; more?: Buffer } = {}) =>
  model([
    changes.sample ?? input('sample', FLOAT, ['batch', 4, 'h', 'w']),
    changes.timestep ?? input('timestep', INT64, [1]),
    changes.states ?? input('encoder_hidden_states', FLOAT, ['batch', 16, 32]),
    changes.output ?? output('out_sample', FLOAT, ['batch', 4, 'h', 'w']),
    ...(changes.more ? [changes.more] : []),
  ]);

describe('describeModel', () => {
  it('reads an export with fixed names and dynamic sizes', async () => {
    const tiny = await describeModel(fixture('tiny'));
    expect(tiny).toMatchObject({
      name: 'tiny',
      latentChannels: 4,
      vaeFactor: 8,
      scalingFactor: 0.18215,
      shiftFactor: 0,
      nativeSize: 64,
      fixedSize: null,
      sizeGranularity: 16,
      manifest: null,
      tokenizer: { kind: 'files', contextLength: 16, padTokenId: 655 },
    });
    expect(tiny.unet.timestep).toEqual({ name: 'timestep', type: 'float32', shape: [1] });
    expect(tiny.textEncoder.attentionMask).toBeNull();
  });

  it('reads one with 16 channels, static shapes, float16 and an attention mask', async () => {
    const tiny = await describeModel(fixture('tiny-16ch'));
    expect(tiny).toMatchObject({ latentChannels: 16, vaeFactor: 16, fixedSize: { width: 64, height: 64 } });
    expect(tiny.unet.sample).toEqual({ name: 'sample', type: 'float16', shape: [2, 16, 4, 4] });
    expect(tiny.textEncoder.attentionMask).toEqual({ name: 'attention_mask', type: 'int64', shape: [1, 16] });
  });

  it('reads one with other names, scalar timesteps, int32 ids, tokenizer.json and the config in vae/', async () => {
    const tiny = await describeModel(fixture('tiny-v'));
    expect(tiny).toMatchObject({ vaeFactor: 4, sizeGranularity: 8, nativeSize: 32, tokenizer: { kind: 'json' } });
    expect(tiny.unet).toMatchObject({
      sample: { name: 'latents' },
      timestep: { name: 'timesteps', type: 'float32', shape: [] },
      output: { name: 'noise_pred' },
    });
    expect(tiny.textEncoder.ids.type).toBe('int32');
    expect(Array.from((await loadTokenizer(tiny)).encode('').ids.subarray(0, 3))).toEqual([654, 655, 655]);
  });

  it('reads one whose text encoder gives more states than it takes ids, and whose UNet takes the guidance scale', async () => {
    const tiny = await describeModel(fixture('tiny-lcm'));
    expect(tiny).toMatchObject({ tokenizer: { contextLength: 16 }, statesPerPrompt: 32, guidanceWidth: 32 });
    expect(tiny.unet.timestepCond).toEqual({ name: 'timestep_cond', type: 'float32', shape: [null, 32] });
    expect(await describeModel(fixture('tiny'))).toMatchObject({ statesPerPrompt: 16, guidanceWidth: null });
  });

  it('takes a state for each token where no graph says how many there are', async () => {
    const dir = writeModel({
      'text_encoder/model.onnx': model([
        input('input_ids', INT64, ['batch', 'tokens']),
        output('last_hidden_state', FLOAT, ['batch', 'states', 32]),
      ]),
      'unet/model.onnx': unet({ states: input('encoder_hidden_states', FLOAT, ['batch', 'states', 32]) }),
    });
    expect((await describeModel(dir)).statesPerPrompt).toBe(16);
  });

  it('takes the width of the guidance embedding from the configuration where the graph leaves it open', async () => {
    const dir = writeModel({
      'unet/model.onnx': unet({ more: input('timestep_cond', FLOAT, ['batch', 'width']) }),
      'unet/config.json': JSON.stringify({ sample_size: 16, time_cond_proj_dim: 256 }),
    });
    expect((await describeModel(dir)).guidanceWidth).toBe(256);
  });

  it('hashes every file that decides the picture', async () => {
    const { hashes } = await describeModel(writeModel());
    expect(Object.keys(hashes)).toEqual(Object.keys(SMALLEST).sort());
    const changed = await describeModel(writeModel({ 'tokenizer/merges.txt': 'a b</w>\n' }));
    const different = Object.keys(hashes).filter((path) => hashes[path] !== changed.hashes[path]);
    expect(different).toEqual(['tokenizer/merges.txt']);
  });

  it('writes nothing', async () => {
    const dir = writeModel();
    const listing = () =>
      readdirSync(dir, { recursive: true, encoding: 'utf8' }).map((path) => [path, statSync(join(dir, path)).mtimeMs]);
    const before = listing();
    await describeModel(dir);
    expect(listing()).toEqual(before);
  });

  it('takes what diffusers assumes where an early export has no configurations', async () => {
    const dir = writeModel({ 'unet/config.json': null, 'vae/config.json': null });
    expect(await describeModel(dir)).toMatchObject({
      vaeFactor: 8,
      scalingFactor: 0.18215,
      nativeSize: 512,
      sizeGranularity: 64,
    });
  });

  it('finds inputs under any name by their type and rank', async () => {
    const graph = model([
      input('foo', FLOAT, ['b', 4, 'h', 'w']),
      input('bar', FLOAT, []),
      input('baz', FLOAT, ['b', 's', 32]),
      output('qux', FLOAT, null),
      output('out', FLOAT, ['b', 4, 'h', 'w']),
    ]);
    const { unet: found } = await describeModel(writeModel({ 'unet/model.onnx': graph }));
    expect([found.sample.name, found.timestep.name, found.encoderHiddenStates.name, found.output.name]).toEqual([
      'foo',
      'bar',
      'baz',
      'out',
    ]);
  });

  it('reads the bare words that Python writes into JSON', async () => {
    const schedule =
      '{"_class_name": "DPMSolverMultistepScheduler", "lambda_min_clipped": -Infinity, "note": "NaN \\" -Infinity"}';
    const { scheduler } = await describeModel(writeModel({ 'scheduler/scheduler_config.json': schedule }));
    expect(scheduler.className).toBe('DPMSolverMultistepScheduler');
  });

  it('takes the size from static graphs', async () => {
    const dir = writeModel({
      'unet/model.onnx': unet({ sample: input('sample', FLOAT, [2, 4, 8, 16]) }),
      'vae_decoder/model.onnx': model([input('z', FLOAT, [1, 4, 8, 16]), output('sample', FLOAT, [1, 3, 64, 128])]),
      'vae/config.json': null,
    });
    expect(await describeModel(dir)).toMatchObject({ vaeFactor: 8, fixedSize: { height: 64, width: 128 } });
  });
});

describe('a directory that is none', () => {
  it.each(['nowhere', 'nul\0', ''].map((name) => [name]))('is not found: %j', async (name) => {
    const dir = name === '' ? join(scratch(), 'x') : join(scratch(), name);
    await expect(describeModel(dir)).rejects.toMatchObject({ code: 'MODEL_NOT_FOUND' });
  });

  it('is not found where it is a file', async () => {
    await expect(describeModel(join(writeModel(), 'vae/config.json'))).rejects.toMatchObject({
      code: 'MODEL_NOT_FOUND',
    });
  });
});

describe('contradictions', () => {
  it.each<[string, Record<string, string | Buffer | null>, RegExp]>([
    ['a missing graph', { 'unet/model.onnx': null }, /unet\/model\.onnx: expected a file, received none/],
    ['a missing schedule', { 'scheduler/scheduler_config.json': null }, /scheduler\/scheduler_config\.json/],
    ['a missing vocabulary', { 'tokenizer/vocab.json': null }, /tokenizer\/vocab\.json/],
    ['missing merges', { 'tokenizer/merges.txt': null }, /tokenizer\/merges\.txt/],
    ['JSON cut off', { 'unet/config.json': '{"sample_size": 6' }, /unet\/config\.json: expected JSON/],
    ['JSON of another kind', { 'vae/config.json': '[1]' }, /vae\/config\.json: expected a JSON object/],
    ['an empty graph', { 'unet/model.onnx': '' }, /unet\/model\.onnx.*no ONNX model/],
    ['text for a graph', { 'unet/model.onnx': '{"a": 1}' }, /unet\/model\.onnx: expected a whole ONNX model/],
    [
      'one input more',
      { 'unet/model.onnx': unet({ more: input('text_embeds', FLOAT, ['b', 1280]) }) },
      /input "text_embeds"/,
    ],
    [
      'a missing input',
      { 'unet/model.onnx': model([input('sample', FLOAT, ['b', 4, 'h', 'w'])]) },
      /for the timestep.*for the text states.*for the prediction/,
    ],
    [
      'a wrong element type',
      { 'unet/model.onnx': unet({ timestep: input('timestep', 11, [1]) }) },
      /"timestep".*received element type 11/,
    ],
    [
      'a wrong rank',
      { 'unet/model.onnx': unet({ sample: input('sample', FLOAT, [1, 4, 8]) }) },
      /"sample".*shape \[1, 4, 8\]/,
    ],
    [
      'a negative dimension',
      { 'unet/model.onnx': unet({ sample: input('sample', FLOAT, [1, 4, -8, 8]) }) },
      /"sample".*-8/,
    ],
    [
      'an empty dimension',
      { 'unet/model.onnx': unet({ timestep: input('timestep', INT64, [0]) }) },
      /"timestep".*\[0\]/,
    ],
    [
      'channels in and out',
      { 'unet/model.onnx': unet({ output: output('o', FLOAT, ['b', 8, 'h', 'w']) }) },
      /latent channels.*4 in unet.*8 in unet/,
    ],
    [
      'inpainting channels',
      { 'unet/model.onnx': unet({ sample: input('sample', FLOAT, ['b', 9, 'h', 'w']) }) },
      /latent channels.*9 in unet/,
    ],
    [
      'text width',
      { 'unet/model.onnx': unet({ states: input('encoder_hidden_states', FLOAT, ['b', 16, 64]) }) },
      /width of the text states.*32 in text_encoder.*64 in unet/,
    ],
    [
      'text states',
      { 'unet/model.onnx': unet({ states: input('encoder_hidden_states', FLOAT, ['b', 77, 32]) }) },
      /text states of a prompt.*16 in text_encoder.*77 in unet/,
    ],
    [
      'context',
      { 'tokenizer/tokenizer_config.json': JSON.stringify({ model_max_length: 32 }) },
      /tokens of the context.*32 in the tokenizer, 16 in text_encoder/,
    ],
    [
      'width of the guidance embedding',
      {
        'unet/model.onnx': unet({ more: input('timestep_cond', FLOAT, ['b', 256]) }),
        'unet/config.json': JSON.stringify({ time_cond_proj_dim: 128 }),
      },
      /width of the guidance embedding.*256 in unet\/model\.onnx input, 128 in unet\/config\.json/,
    ],
    [
      'a guidance embedding of no known width',
      { 'unet/model.onnx': unet({ more: input('timestep_cond', FLOAT, ['b', 'w']) }) },
      /a fixed width of the guidance embedding/,
    ],
    [
      'size of the latents',
      {
        'unet/model.onnx': unet({
          sample: input('sample', FLOAT, [2, 4, 8, 8]),
          output: output('o', FLOAT, [2, 4, 16, 8]),
        }),
      },
      /height of the latents.*8 in.*16 in/,
    ],
    [
      'one side fixed',
      { 'unet/model.onnx': unet({ sample: input('sample', FLOAT, [2, 4, 8, 'w']) }) },
      /both fixed or both dynamic/,
    ],
    [
      'grey pictures',
      {
        'vae_decoder/model.onnx': model([
          input('z', FLOAT, [1, 4, 'h', 'w']),
          output('image', FLOAT, [1, 1, 'h', 'w']),
        ]),
      },
      /channels of the picture.*3 in.*1 in/,
    ],
    [
      'a factor that the shapes deny',
      { 'vae_decoder/model.onnx': model([input('z', FLOAT, [1, 4, 8, 8]), output('image', FLOAT, [1, 3, 32, 32])]) },
      /pixels for a latent pixel.*4 in.*8 in/,
    ],
    [
      'a broken factor',
      {
        'vae/config.json': null,
        'vae_decoder/model.onnx': model([input('z', FLOAT, [1, 4, 8, 8]), output('image', FLOAT, [1, 3, 12, 12])]),
      },
      /whole number of pixels.*1\.5/,
    ],
    [
      'latents scaled by channel',
      { 'vae/config.json': JSON.stringify({ latents_mean: [0, 0, 0, 0] }) },
      /latents_mean/,
    ],
    [
      'a scaling factor of 0',
      { 'vae/config.json': JSON.stringify({ scaling_factor: 0 }) },
      /scaling_factor.*received 0/,
    ],
    [
      'a hundred levels',
      { 'unet/config.json': JSON.stringify({ block_out_channels: Array(100).fill(1) }) },
      /block_out_channels/,
    ],
    [
      'a vocabulary too large',
      { 'text_encoder/config.json': JSON.stringify({ vocab_size: 7 }) },
      /size of the vocabulary.*7 embeddings.*received 8/,
    ],
    [
      'a context too long',
      { 'text_encoder/config.json': JSON.stringify({ max_position_embeddings: 8 }) },
      /context length.*8 positions.*received 16/,
    ],
    [
      'a pad token that is unknown',
      { 'tokenizer/tokenizer_config.json': JSON.stringify({ pad_token: '<pad>' }) },
      /pad token.*"<pad>"/,
    ],
  ])('are refused: %s', async (_, changes, message) => {
    expect(await refusal(writeModel(changes))).toMatch(message);
  });

  it('are reported at once', async () => {
    const dir = writeModel({
      'scheduler/scheduler_config.json': JSON.stringify({ beta_schedule: 'cubic' }),
      'unet/model.onnx': unet({ states: input('encoder_hidden_states', FLOAT, ['b', 77, 64]) }),
      'vae/config.json': JSON.stringify({ latent_channels: 16 }),
      'tokenizer/merges.txt': null,
    });
    const message = await refusal(dir);
    for (const part of [
      'beta_schedule',
      'width of the text states',
      'text states of a prompt',
      'latent channels',
      'merges.txt',
    ]) {
      expect(message).toContain(part);
    }
  });
});
