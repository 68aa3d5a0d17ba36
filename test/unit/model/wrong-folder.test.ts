import { linkSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { T2IError } from '../../../src/errors.js';
import { describeModel } from '../../../src/model/layout.js';
import { type Files, scratch, unet, writeModel } from './model-dir.js';
import { externalTensor, FLOAT, input } from './onnx-writer.js';

const POINTER = 'version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 3438167540\n';
const index = (_class_name: string) => ({ 'model_index.json': JSON.stringify({ _class_name }) });
const refused = (changes: Files): Promise<T2IError> =>
  describeModel(writeModel(changes)).then(
    () => expect.fail('the model was accepted'),
    (error) => error,
  );

describe('a Git LFS pointer in the place of a file', () => {
  it.each(['unet/model.onnx', 'tokenizer/vocab.json', 'scheduler/scheduler_config.json', 'vae/config.json'])(
    'is named as such: %s',
    async (path) => {
      const { code, message, hint } = await refused({ [path]: POINTER });
      expect([code, message]).toEqual([
        'MODEL_INVALID',
        `The model cannot be used: ${path}: expected the file itself, received a Git LFS pointer to it (size 3438167540).`,
      ]);
      expect(hint).toMatch(/git lfs pull/);
    },
  );

  it('is found in external data', async () => {
    const graph = unet({ more: externalTensor('w', [1000], { location: 'model.weights' }) });
    const { message } = await refused({ 'unet/model.onnx': graph, 'unet/model.weights': POINTER });
    expect(message).toMatch(/unet\/model\.weights: .*Git LFS pointer/);
  });
});

describe('a missing graph', () => {
  it('is told with the other ONNX files of its folder', async () => {
    const { message, hint } = await refused({
      'unet/model.onnx': null,
      'unet/model_quantized.onnx': 'x',
      'unet/model.fp16.onnx': 'x',
      'unet/notes.txt': 'x',
    });
    expect(message).toContain(
      'unet/model.onnx: expected a file, received none; other ONNX files: unet/model.fp16.onnx, unet/model_quantized.onnx.',
    );
    expect(hint).toContain('rename it to unet/model.onnx');
  });

  it('is told with those of other folders where its own has none', async () => {
    const { message } = await refused({ 'unet/model.onnx': null, 'unet.onnx': 'x', 'onnx/unet.onnx': 'x' });
    expect(message).toContain(
      'other ONNX files: onnx/unet.onnx, text_encoder/model.onnx, unet.onnx, vae_decoder/model.onnx',
    );
  });

  it('is told with ten of many', async () => {
    const many = Object.fromEntries(Array.from({ length: 14 }, (_, i) => [`unet/${i}.onnx`, 'x']));
    expect((await refused({ 'unet/model.onnx': null, ...many })).message).toContain('and 4 more');
  });

  it('is told with the PyTorch weights that are there in its place', async () => {
    const none = { 'unet/model.onnx': null, 'text_encoder/model.onnx': null, 'vae_decoder/model.onnx': null };
    const { message, hint } = await refused({ ...none, 'unet/diffusion_pytorch_model.safetensors': 'x' });
    expect(message).toContain('received none; PyTorch weights: unet/diffusion_pytorch_model.safetensors');
    expect(hint).toContain('optimum-cli export onnx');
  });
});

describe('a model of another family', () => {
  it.each<[string, Files]>([
    ['Stable Diffusion XL (SDXL)', index('StableDiffusionXLPipeline')],
    ['Stable Diffusion XL (SDXL)', index('ORTStableDiffusionXLPipeline')],
    ['Stable Diffusion XL (SDXL)', { 'text_encoder_2/config.json': '{}' }],
    ['Stable Diffusion XL (SDXL)', { 'unet/config.json': '{"addition_embed_type": "text_time"}' }],
    ['Stable Diffusion 3', index('StableDiffusion3Pipeline')],
    ['Stable Diffusion 3', { 'text_encoder_3/config.json': '{}', 'text_encoder_2/config.json': '{}' }],
    ['Stable Diffusion XL (SDXL)', { 'tokenizer_2/vocab.json': '{}' }],
    ['FLUX', index('FluxPipeline')],
    ['Stable Cascade', index('StableCascadeDecoderPipeline')],
    ['Stable Cascade', index('WuerstchenDecoderPipeline')],
    ['Kandinsky', index('KandinskyV22Pipeline')],
    ['PixArt', index('PixArtAlphaPipeline')],
    ['a diffusion transformer', { 'transformer/config.json': '{}', 'text_encoder_2/config.json': '{}' }],
  ])('is refused by its name, and by nothing else: %s', async (family, changes) => {
    const { code, message, hint } = await refused({ ...changes, 'scheduler/scheduler_config.json': null });
    expect(code).toBe('MODEL_INVALID');
    expect(message).toContain(`expected a model like Stable Diffusion 1.x or 2.x, received ${family}`);
    expect(message.match(/expected/g)).toHaveLength(1);
    expect(hint).toMatch(/one CLIP text encoder and a UNet/);
  });

  it.each(['OnnxStableDiffusionPipeline', 'LatentConsistencyModelPipeline', 'ORTStableDiffusionPipeline'])(
    'is no %s, and the index decides no image',
    async (name) => {
      const { hashes } = await describeModel(writeModel(index(name)));
      expect(hashes).not.toHaveProperty('model_index.json');
      expect(hashes).toHaveProperty('unet/config.json');
    },
  );

  it('is not guessed from a damaged index', async () => {
    expect((await describeModel(writeModel({ 'model_index.json': '{' }))).latentChannels).toBe(4);
  });
});

it('a hard link is answered with how to make a file of its own', async () => {
  const graph = unet({
    more: externalTensor('w', [10], { location: 'model.weights' }),
    sample: input('sample', FLOAT, ['b', 4, 'h', 'w']),
  });
  const dir = writeModel({ 'unet/model.onnx': graph });
  const outside = join(scratch(), 'weights');
  writeFileSync(outside, Buffer.alloc(40));
  mkdirSync(dirname(join(dir, 'unet/model.weights')), { recursive: true });
  linkSync(outside, join(dir, 'unet/model.weights'));
  await expect(describeModel(dir)).rejects.toMatchObject({
    code: 'MODEL_INVALID',
    hint: expect.stringContaining('copy the file'),
  });
});
