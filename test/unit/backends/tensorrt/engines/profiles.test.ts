import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import {
  checkProfile,
  defaultProfile,
  type EngineProfile,
  inputShape,
  inputShapes,
  profileOfDecoder,
} from '../../../../../src/backends/tensorrt/engines/profiles.js';
import type { ModelDescription, TensorInfo } from '../../../../../src/model/description.js';
import { describeModel } from '../../../../../src/model/layout.js';
import { failure } from '../../../../support/engines.js';
import { writeModel } from '../../../model/model-dir.js';
import { type Dim, FLOAT, INT64, input, model, output } from '../../../model/onnx-writer.js';

const described = (changes = {}): Promise<ModelDescription> => describeModel(writeModel(changes));
const PROFILE: EngineProfile = {
  min: { batch: 1, height: 16, width: 16 },
  opt: { batch: 2, height: 16, width: 32 },
  max: { batch: 4, height: 32, width: 64 },
};
/** Graphs that fix every size: one image, two rows. */
const FIXED = {
  'text_encoder/model.onnx': model([
    input('input_ids', INT64, [1, 16]),
    output('last_hidden_state', FLOAT, [1, 16, 32]),
  ]),
  'unet/model.onnx': model([
    input('sample', FLOAT, [2, 4, 16, 24]),
    input('timestep', INT64, []),
    input('encoder_hidden_states', FLOAT, [2, 16, 32]),
    output('out_sample', FLOAT, [2, 4, 16, 24]),
  ]),
  'vae_decoder/model.onnx': model([
    input('latent_sample', FLOAT, [1, 4, 16, 24]),
    output('sample', FLOAT, [1, 3, 128, 192]),
  ]),
};

describe('profiles', () => {
  it('become the shapes of each open input', async () => {
    const model = await described();
    expect(inputShapes(model, 'textEncoder', PROFILE)).toEqual([
      { input: 'input_ids', min: [1, 16], opt: [1, 16], max: [1, 16] },
    ]);
    expect(inputShapes(model, 'unet', PROFILE)).toEqual([
      { input: 'sample', min: [1, 4, 16, 16], opt: [4, 4, 16, 32], max: [8, 4, 32, 64] },
      { input: 'encoder_hidden_states', min: [1, 16, 32], opt: [4, 16, 32], max: [8, 16, 32] },
    ]);
    expect(inputShapes(model, 'vaeDecoder', PROFILE)).toEqual([
      { input: 'latent_sample', min: [1, 4, 16, 16], opt: [2, 4, 16, 32], max: [4, 4, 32, 64] },
    ]);
  });

  it('have as many text states as the graphs say, and the guidance embedding where there is one', async () => {
    const model = await describeModel(fileURLToPath(new URL('../../../../fixtures/tiny-lcm', import.meta.url)));
    const size = { height: 8, width: 8 };
    const profile = { min: { batch: 1, ...size }, opt: { batch: 1, ...size }, max: { batch: 2, ...size } };
    expect(inputShapes(model, 'unet', profile)).toMatchObject([
      { input: 'sample' },
      { input: 'encoder_hidden_states', min: [1, 32, 16], opt: [2, 32, 16], max: [4, 32, 16] },
      { input: 'timestep_cond', min: [1, 32], opt: [2, 32], max: [4, 32] },
    ]);
    expect(inputShapes(model, 'textEncoder', profile)[0]?.max).toEqual([1, 16]);
    // The text encoder's graph alone says it.
    const open = await described({
      'text_encoder/model.onnx': textEncoderOf(160, 32),
      'unet/model.onnx': unetOf([1], 32, 'states'),
    });
    expect(inputShapes(open, 'unet', PROFILE)[1]?.max).toEqual([8, 160, 32]);
  });

  it('give a timestep for each row one for each row', async () => {
    const model = await described({
      'unet/model.onnx': unetOf(['batch']),
    });
    expect(inputShapes(model, 'unet', PROFILE)[1]).toEqual({ input: 'timestep', min: [1], opt: [4], max: [8] });
  });

  it('leave inputs alone that a graph fixes', async () => {
    const model = await described(FIXED);
    for (const network of ['textEncoder', 'unet', 'vaeDecoder'] as const) {
      expect(inputShapes(model, network, defaultProfile(model))).toEqual([]);
    }
    const one = { batch: 1, height: 16, width: 24 };
    expect(defaultProfile(model)).toEqual({ min: one, opt: one, max: one });
    expect(profileOfDecoder(model, [])).toEqual({ min: one, opt: one, max: one });
  });

  it('are by default one to four images of the native size', async () => {
    const model = await described();
    const one = { batch: 1, height: 16, width: 16 };
    const profile = defaultProfile(model);
    expect(profile).toEqual({ min: one, opt: one, max: { ...one, batch: 4 } });
    checkProfile(profile, model);
  });

  it('are found again in the shapes of the decoder', async () => {
    const model = await described();
    expect(profileOfDecoder(model, inputShapes(model, 'vaeDecoder', PROFILE))).toEqual(PROFILE);
  });

  it('are found by the latents’ name, and are of one where the shapes do not say', async () => {
    const model = await described();
    const other = { input: 'other', min: [9, 9, 9, 9], opt: [9, 9, 9, 9], max: [9, 9, 9, 9] };
    expect(profileOfDecoder(model, [other, ...inputShapes(model, 'vaeDecoder', PROFILE)])).toEqual(PROFILE);
    expect(profileOfDecoder(model, []).max).toEqual({ batch: 1, height: 1, width: 1 });
  });

  it('take what a graph leaves open from the other, and the width of the guidance from the model', async () => {
    const open = await described({ 'text_encoder/model.onnx': textEncoderOf(16, 'width') });
    expect(inputShapes(open, 'unet', PROFILE)[1]?.max).toEqual([8, 16, 32]);
    const lcm = await describeModel(fileURLToPath(new URL('../../../../fixtures/tiny-lcm', import.meta.url)));
    const timestepCond = { ...(lcm.unet.timestepCond as TensorInfo), shape: [null, null] };
    const wide = { ...lcm, unet: { ...lcm.unet, timestepCond } };
    expect(inputShape(wide, 'unet', timestepCond, PROFILE, 'max')).toEqual([8, 32]);
  });

  it('are refused with everything that is wrong', async () => {
    const model = await described();
    const bad = {
      min: { batch: 0, height: 16, width: 64 },
      opt: { batch: 2, height: 18, width: 32 },
      max: { batch: 2.5, height: 32, width: 64 },
    };
    const error = await failure(() => checkProfile(bad, model));
    expect(error.code).toBe('OPTION_INVALID');
    expect(error.issues).toEqual([
      { option: 'profile batch', expected: 'whole numbers from 1', received: '0, 2, 2.5' },
      { option: 'profile width', expected: 'a smallest, a most usual and a largest that grow', received: '64, 32, 64' },
      { option: 'profile height', expected: 'multiples of 4 latent pixels', received: '16,18,32' },
    ]);
  });

  it.each([
    ['width', 0],
    ['width', -4],
    ['width', 2 ** 31],
    ['batch', Number.NaN],
  ] as const)('are refused with a %s of %s at any end', async (side, size) => {
    const model = await described();
    for (const end of ['min', 'opt', 'max'] as const) {
      const bad = { ...PROFILE, [end]: { ...PROFILE[end], [side]: size } };
      const [issue, ...more] = (await failure(() => checkProfile(bad, model))).issues;
      expect([issue?.option, issue?.expected, more]).toEqual([`profile ${side}`, 'whole numbers from 1', []]);
    }
  });

  it('are refused where the most usual is beyond the largest', async () => {
    const bad = { ...PROFILE, opt: { ...PROFILE.opt, batch: 5 } };
    const error = await failure(async () => checkProfile(bad, await described()));
    expect(error.issues).toMatchObject([{ option: 'profile batch', received: '1, 5, 4' }]);
  });

  it('may be as large as the graphs fix, and no larger', async () => {
    const fixed = await described(FIXED);
    checkProfile(defaultProfile(fixed), fixed);
    // Six rows of the UNet are three images with guidance; the decoder takes two.
    const rows = (sample: number) => unetOf(['batch'], 32, 16, sample);
    const decoder = (batch: number) =>
      model([input('latent_sample', FLOAT, [batch, 4, 'h', 'w']), output('sample', FLOAT, [batch, 3, 'H', 'W'])]);
    const three = await described({ 'unet/model.onnx': rows(6) });
    const two = await described({ 'unet/model.onnx': rows(6), 'vae_decoder/model.onnx': decoder(2) });
    expect([three, two].map((each) => defaultProfile(each).max.batch)).toEqual([3, 2]);
  });

  it('are refused where the graphs fix another size', async () => {
    const model = await described(FIXED);
    const error = await failure(() => checkProfile(PROFILE, model));
    expect(error.issues.map(({ option, expected }) => `${option}: ${expected}`)).toEqual([
      'profile batch: at most 1, which the graphs of the model fix',
      'profile height: 16 latent pixels, which the graphs of the model fix',
      'profile width: 24 latent pixels, which the graphs of the model fix',
    ]);
  });

  it('need to know the width of the text states', async () => {
    const model = await described({
      'unet/config.json': '{}',
      'unet/model.onnx': unetOf([1], 'width'),
      'text_encoder/model.onnx': textEncoderOf(16, 'width'),
    });
    expect((await failure(() => inputShapes(model, 'unet', PROFILE))).message).toContain(
      'a fixed width of the text states',
    );
  });
});

function unetOf(timestep: readonly Dim[], width: Dim = 32, states: Dim = 16, rows: Dim = 'batch'): Buffer {
  return model([
    input('sample', FLOAT, [rows, 4, 'h', 'w']),
    input('timestep', INT64, timestep),
    input('encoder_hidden_states', FLOAT, ['batch', states, width]),
    output('out_sample', FLOAT, ['batch', 4, 'h', 'w']),
  ]);
}

function textEncoderOf(states: Dim, width: Dim): Buffer {
  return model([
    input('input_ids', INT64, ['batch', 16]),
    output('last_hidden_state', FLOAT, ['batch', states, width]),
  ]);
}
