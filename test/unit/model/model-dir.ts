import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describeModel } from '../../../src/model/layout.js';
import { scratchFolder } from '../../support/scratch.js';
import { FLOAT, INT64, input, model, output } from './onnx-writer.js';

/** An empty folder that goes away after the tests of the file. */
export function scratch(): string {
  return scratchFolder('t2i-model-');
}

export type Files = Readonly<Record<string, string | Buffer | null>>;

const START = '<|startoftext|>';
const END = '<|endoftext|>';

/** A UNet's graph for the model below, with other inputs or another output, or one more of either. */
export const unet = (
  changes: { sample?: Buffer; timestep?: Buffer; states?: Buffer; output?: Buffer; more?: Buffer } = {},
) =>
  model([
    changes.sample ?? input('sample', FLOAT, ['batch', 4, 'h', 'w']),
    changes.timestep ?? input('timestep', INT64, [1]),
    changes.states ?? input('encoder_hidden_states', FLOAT, ['batch', 16, 32]),
    changes.output ?? output('out_sample', FLOAT, ['batch', 4, 'h', 'w']),
    ...(changes.more ? [changes.more] : []),
  ]);

/** A model of three empty graphs, 4 latent channels, a factor of 8, 16 tokens of width 32: the least that passes. */
export const SMALLEST: Files = {
  'scheduler/scheduler_config.json': JSON.stringify({ _class_name: 'DDIMScheduler' }),
  'tokenizer/vocab.json': JSON.stringify({
    a: 0,
    b: 1,
    'a</w>': 2,
    'b</w>': 3,
    'ab</w>': 4,
    '!': 5,
    [START]: 6,
    [END]: 7,
  }),
  'tokenizer/merges.txt': '#version: 0.2\na b</w>\n',
  'tokenizer/tokenizer_config.json': JSON.stringify({ model_max_length: 16 }),
  'text_encoder/model.onnx': model([
    input('input_ids', INT64, ['batch', 16]),
    output('last_hidden_state', FLOAT, ['batch', 16, 32]),
    output('pooler_output', FLOAT, ['batch', 32]),
  ]),
  'unet/model.onnx': unet(),
  'unet/config.json': JSON.stringify({
    sample_size: 16,
    block_out_channels: [8, 16, 32],
    in_channels: 4,
    cross_attention_dim: 32,
  }),
  'vae_decoder/model.onnx': model([
    input('latent_sample', FLOAT, ['batch', 4, 'h', 'w']),
    output('sample', FLOAT, ['batch', 3, 'H', 'W']),
  ]),
  'vae/config.json': JSON.stringify({
    block_out_channels: [1, 2, 3, 4],
    latent_channels: 4,
    scaling_factor: 0.5,
    shift_factor: 0.1,
  }),
};

/** Writes SMALLEST with changes (null leaves a file out) and gives the folder. */
export function writeModel(changes: Files = {}, dir: string = scratch()): string {
  for (const [path, content] of Object.entries({ ...SMALLEST, ...changes })) {
    if (content === null) continue;
    mkdirSync(dirname(join(dir, path)), { recursive: true });
    writeFileSync(join(dir, path), content);
  }
  return dir;
}

/** The message of the MODEL_INVALID error that describing `dir` ends with; fails on anything else. */
export async function refusal(dir: string): Promise<string> {
  const error: unknown = await describeModel(dir).then(
    () => new Error('the model was accepted'),
    (caught: unknown) => caught,
  );
  if (!(error instanceof Error) || !('code' in error) || error.code !== 'MODEL_INVALID') throw error;
  return error.message;
}
