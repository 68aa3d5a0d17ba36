import { describe, expect, it } from 'vitest';
import { refusal, unet, writeModel } from './model-dir.js';
import { FLOAT, INT64, input, model, output } from './onnx-writer.js';

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
      'one input more of the text encoder',
      {
        'text_encoder/model.onnx': model([
          input('input_ids', INT64, ['b', 16]),
          input('position_ids', INT64, ['b', 16, 1]),
          output('last_hidden_state', FLOAT, ['b', 16, 32]),
        ]),
      },
      /text_encoder\/model\.onnx: input "position_ids"/,
    ],
    [
      'one input more of the decoder',
      {
        'vae_decoder/model.onnx': model([
          input('z', FLOAT, ['b', 4, 'h', 'w']),
          input('noise', FLOAT, ['b', 4]),
          output('image', FLOAT, ['b', 3, 'H', 'W']),
        ]),
      },
      /vae_decoder\/model\.onnx: input "noise"/,
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
      'channels of the configuration',
      { 'unet/config.json': JSON.stringify({ in_channels: 8 }) },
      /latent channels.*4 in unet\/model\.onnx input.*8 in unet\/config\.json/,
    ],
    [
      'channels of the decoder',
      {
        'vae_decoder/model.onnx': model([
          input('z', FLOAT, ['b', 8, 'h', 'w']),
          output('image', FLOAT, ['b', 3, 'H', 'W']),
        ]),
      },
      /latent channels.*4 in unet.*8 in vae_decoder\/model\.onnx input/,
    ],
    [
      'a dynamic number of channels',
      {
        'unet/model.onnx': unet({
          sample: input('sample', FLOAT, ['b', 'c', 'h', 'w']),
          output: output('o', FLOAT, ['b', 'c', 'h', 'w']),
        }),
        'unet/config.json': null,
        'vae_decoder/model.onnx': model([
          input('z', FLOAT, ['b', 'c', 'h', 'w']),
          output('image', FLOAT, ['b', 3, 'H', 'W']),
        ]),
        'vae/config.json': null,
      },
      /a fixed number of latent channels, received a dynamic one/,
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
      'text width of the encoder’s configuration',
      { 'text_encoder/config.json': JSON.stringify({ hidden_size: 64 }) },
      /width of the text states.*32 in text_encoder\/model\.onnx output, 64 in text_encoder\/config\.json/,
    ],
    [
      'text width of the denoiser’s configuration, the largest of several',
      { 'unet/config.json': JSON.stringify({ cross_attention_dim: [32, 64, 16] }) },
      /width of the text states.*32 in unet\/model\.onnx input, 64 in unet\/config\.json/,
    ],
    [
      'tokens of the attention mask',
      {
        'text_encoder/model.onnx': model([
          input('input_ids', INT64, ['b', 16]),
          input('attention_mask', INT64, ['b', 8]),
          output('last_hidden_state', FLOAT, ['b', 16, 32]),
        ]),
      },
      /tokens of the context.*16 in text_encoder\/model\.onnx input, 8 in text_encoder\/model\.onnx attention mask/,
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
      'grey images',
      {
        'vae_decoder/model.onnx': model([
          input('z', FLOAT, [1, 4, 'h', 'w']),
          output('image', FLOAT, [1, 1, 'h', 'w']),
        ]),
      },
      /channels of the image.*3 in.*1 in/,
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
      /vae\/config\.json: latents_mean: expected null.*received a list of 4/,
    ],
    [
      'latents spread by channel',
      { 'vae/config.json': JSON.stringify({ latents_std: [1, 1, 1, 1] }) },
      /vae\/config\.json: latents_std: expected null.*received a list of 4/,
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
