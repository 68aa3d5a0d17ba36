import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { describeModel } from '../../../src/model/layout.js';
import { tensorsOf } from '../../../src/model/networks.js';
import { loadTokenizer } from '../../../src/model/tokenizer.js';
import { refusal, SMALLEST, scratch, unet, writeModel } from './model-dir.js';
import { FLOAT, INT64, input, message, model, output, varint } from './onnx-writer.js';

const fixture = (name: string) => new URL(`../../fixtures/${name}`, import.meta.url).pathname;
describe('describeModel', () => {
  it('reads an export with fixed names and dynamic sizes', async () => {
    const tiny = await describeModel(fixture('tiny'));
    expect(tiny).toMatchObject({
      name: 'tiny',
      latentChannels: 4,
      vaeFactor: 8,
      scalingFactor: 0.18215,
      shiftFactor: 0,
      nativeSize: { width: 64, height: 64 },
      fixedSize: null,
      sizeGranularity: 16,
      manifest: null,
      tokenizer: { kind: 'files', contextLength: 16, padTokenId: 655 },
    });
    expect(tiny.unet.timestep).toEqual({ name: 'timestep', type: 'float32', shape: [1] });
    expect(tiny.textEncoder.attentionMask).toBeNull();
  });

  it.each([
    ['models--acme--tiny/snapshots/0123abcd', 'acme/tiny'],
    ['models--acme--tiny/copies/0123abcd', '0123abcd'],
    ['models--acme--tiny/snapshots', 'snapshots'],
    ['my-models--acme--tiny/snapshots/0123abcd', '0123abcd'],
    ['models--/snapshots/0123abcd', '0123abcd'],
    ['a/b/c/d', 'd'],
  ])(
    'is called after the repository where a snapshot of the Hub lies, else after its folder: %s',
    async (path, name) => {
      const dir = join(scratch(), path);
      expect((await describeModel(writeModel({}, dir))).name).toBe(name);
    },
  );

  it('gives each network the inputs that its graph has', async () => {
    const names = async (model: string) => {
      const described = await describeModel(fixture(model));
      return (['textEncoder', 'unet', 'vaeDecoder'] as const).map((network) => {
        const { inputs, output } = tensorsOf(described, network);
        return [...inputs.map(({ name }) => name), output.name];
      });
    };
    const unet = ['sample', 'timestep', 'encoder_hidden_states'];
    expect(await names('tiny')).toEqual([
      ['input_ids', 'last_hidden_state'],
      [...unet, 'out_sample'],
      ['latents', 'image'],
    ]);
    expect((await names('tiny-16ch'))[0]).toEqual(['input_ids', 'attention_mask', 'last_hidden_state']);
    expect((await names('tiny-lcm'))[1]).toEqual([...unet, 'timestep_cond', 'out_sample']);
  });

  it('reads what the configurations alone say', async () => {
    expect(await describeModel(writeModel())).toMatchObject({
      scalingFactor: 0.5,
      shiftFactor: 0.1,
      nativeSize: { width: 128, height: 128 },
      sizeGranularity: 32,
    });
  });

  it('reads the height and the width that a denoiser was trained on', async () => {
    const dir = writeModel({
      'unet/config.json': JSON.stringify({
        ...JSON.parse(SMALLEST['unet/config.json'] as string),
        sample_size: [16, 24],
      }),
    });
    expect((await describeModel(dir)).nativeSize).toEqual({ width: 192, height: 128 });
  });

  it('reads one with 16 channels, static shapes, float16 and an attention mask', async () => {
    const tiny = await describeModel(fixture('tiny-16ch'));
    expect(tiny).toMatchObject({ latentChannels: 16, vaeFactor: 16, fixedSize: { width: 64, height: 64 } });
    expect(tiny.unet.sample).toEqual({ name: 'sample', type: 'float16', shape: [2, 16, 4, 4] });
    expect(tiny.textEncoder.attentionMask).toEqual({ name: 'attention_mask', type: 'int64', shape: [1, 16] });
  });

  it('reads one with other names, scalar timesteps, int32 ids, tokenizer.json and the config in vae/', async () => {
    const tiny = await describeModel(fixture('tiny-v'));
    expect(tiny).toMatchObject({
      vaeFactor: 4,
      sizeGranularity: 8,
      nativeSize: { width: 32, height: 32 },
      tokenizer: { kind: 'json' },
    });
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

  it('hashes every file that decides the image', async () => {
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
      nativeSize: { width: 512, height: 512 },
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

  it('takes the best of several names, and none of several that fit alike', async () => {
    const outputs = (...names: string[]) => ({
      'unet/model.onnx': model([
        input('sample', FLOAT, ['b', 4, 'h', 'w']),
        input('timestep', INT64, []),
        input('encoder_hidden_states', FLOAT, ['b', 16, 32]),
        ...names.map((name) => output(name, FLOAT, ['b', 4, 'h', 'w'])),
      ]),
    });
    for (const names of [
      ['output', 'sample', 'out_sample'],
      ['out_sample', 'x'],
      ['a', 'noise_pred', 'sample'],
    ]) {
      const { unet } = await describeModel(writeModel(outputs(...names)));
      expect(unet.output.name).toBe(names.find((name) => ['out_sample', 'noise_pred'].includes(name)));
    }
    expect(await refusal(writeModel(outputs('a', 'b')))).toMatch(/for the prediction: .* received "a", "b"/);
  });

  it('asks for no input that the graph itself holds', async () => {
    const weights = {
      names: input('w', FLOAT, [1]),
      values: message(5, varint(1, 1), varint(2, FLOAT), message(8, 'w')),
    };
    const dir = (...more: Buffer[]) => writeModel({ 'unet/model.onnx': unet({ more: Buffer.concat(more) }) });
    expect(await refusal(dir(weights.names))).toMatch(/input "w"/);
    await expect(describeModel(dir(weights.names, weights.values))).resolves.toHaveProperty('hashes');
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
