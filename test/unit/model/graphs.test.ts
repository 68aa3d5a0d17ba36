import { expect, it } from 'vitest';
import { describeModel } from '../../../src/model/layout.js';
import { refusal, unet, writeModel } from './model-dir.js';
import { FLOAT, INT64, input, model, output } from './onnx-writer.js';

const latents = input('latent_sample', FLOAT, ['batch', 4, 'h', 'w']);
const image = output('sample', FLOAT, ['batch', 3, 'H', 'W']);
const none = output('x', INT64, [1]);

it.each([
  ['text_encoder', model([input('input_ids', INT64, ['batch', 16]), none])],
  ['unet', unet({ output: none })],
  ['vae_decoder', model([latents, none])],
])('the graph of %s is refused without its output, by its name', async (component, graph) => {
  expect(await refusal(writeModel({ [`${component}/model.onnx`]: graph }))).toContain(
    `${component}/model.onnx: output`,
  );
});

it('a graph may give more than is read of it', async () => {
  const more = output('features', FLOAT, ['batch', 8]);
  const dir = writeModel({
    'unet/model.onnx': unet({ more }),
    'vae_decoder/model.onnx': model([latents, image, more]),
  });
  expect(await describeModel(dir)).toMatchObject({
    unet: { output: { name: 'out_sample' } },
    vaeDecoder: { image: { name: 'sample' } },
  });
});

it('a model with one of the graphs is told which are missing', async () => {
  const message = await refusal(writeModel({ 'text_encoder/model.onnx': null, 'vae_decoder/model.onnx': null }));
  expect(message).toMatch(/text_encoder\/model\.onnx: expected a file/);
  expect(message).toMatch(/vae_decoder\/model\.onnx: expected a file/);
});
