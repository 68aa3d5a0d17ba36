import { posix } from 'node:path';
import { describeValue, isRecord } from '../fields.js';
import type { TextConfig, UnetConfig, VaeConfig } from './configs.js';
import type { TensorInfo, TextEncoderGraph, UnetGraph, VaeDecoderGraph } from './description.js';
import type { Graphs } from './graphs.js';
import { names } from './missing-graph.js';
import type { ModelFiles } from './model-files.js';
import { invalidModel, type Problems } from './problems.js';

/** The parts of a model in diffusers' layout, each with the name that its library gives the weights. */
const PARTS = {
  textEncoder: { folder: 'text_encoder', weights: 'model.safetensors' },
  unet: { folder: 'unet', weights: 'diffusion_pytorch_model.safetensors' },
  vaeDecoder: { folder: 'vae', weights: 'diffusion_pytorch_model.safetensors' },
} as const;

/** What may stand beside the weights and decides the image as well: the sketch of our text encoders, adapters of a denoiser. */
const BESIDE = ['text_encoder/sketch.json', 'text_encoder/sketch.safetensors', 'pytorch_lora_weights.safetensors'];
/** transformers would load the weights that this file names, from wherever they lie. */
const REDIRECTION = 'text_encoder/adapter_config.json';
const PICKLES = ['.bin', '.ckpt', '.pt', '.pth', '.pkl'];
const MOST_SHARDS = 100;

/** What diffusers and transformers assume where a configuration leaves it out. */
const DEFAULTS = { inChannels: 4, crossAttentionDim: 1280, hiddenSize: 512, latentChannels: 4 };

/** Whether every part has weights in safetensors. */
export async function hasTorchWeights(files: ModelFiles): Promise<boolean> {
  const found = await Promise.all(
    Object.values(PARTS).map(async ({ folder, weights }) => {
      const path = posix.join(folder, weights);
      return (await files.has(path)) || files.has(`${path}.index.json`);
    }),
  );
  return found.every(Boolean);
}

/**
 * Finds and checks the weights of the three networks, and says what they take and give as their configurations declare it: PyTorch
 * builds the networks from these, and refuses weights of other shapes. Notes everything that is wrong.
 */
export async function readTorchWeights(
  files: ModelFiles,
  configs: { readonly text: TextConfig; readonly unet: UnetConfig; readonly vae: VaeConfig },
  problems: Problems,
): Promise<Graphs> {
  const paths: Record<string, string | null> = {};
  for (const [network, { folder, weights }] of Object.entries(PARTS)) {
    paths[network] = await problems.collect(() => findWeights(files, posix.join(folder, weights)));
    await problems.collect(() => files.check(posix.join(folder, 'config.json')));
  }
  for (const path of BESIDE) if (await files.has(path)) await problems.collect(() => files.check(path));
  if (await files.has(REDIRECTION)) problems.add(REDIRECTION, 'none: the weights beside it', 'a file');
  const { textEncoder, unet, vaeDecoder } = paths;
  return {
    textEncoder: textEncoder ? textGraph(textEncoder, configs.text) : null,
    unet: unet ? unetGraph(unet, configs.unet) : null,
    vaeDecoder: vaeDecoder ? decoderGraph(vaeDecoder, configs.vae) : null,
    shared: [],
  };
}

function textGraph(path: string, { hiddenSize }: TextConfig): TextEncoderGraph {
  const ids: TensorInfo = { name: 'input_ids', type: 'int64', shape: [null, null] };
  const states = tensor('last_hidden_state', [null, null, hiddenSize ?? DEFAULTS.hiddenSize]);
  return { path, ids, attentionMask: null, states };
}

function unetGraph(path: string, { inChannels, crossAttentionDim, timeCondProjDim }: UnetConfig): UnetGraph {
  const sample = plane('sample', inChannels ?? DEFAULTS.inChannels);
  return {
    path,
    sample,
    timestep: tensor('timestep', [1]),
    encoderHiddenStates: tensor('encoder_hidden_states', [null, null, crossAttentionDim ?? DEFAULTS.crossAttentionDim]),
    timestepCond: timeCondProjDim === null ? null : tensor('timestep_cond', [null, timeCondProjDim]),
    output: sample,
  };
}

function decoderGraph(path: string, { latentChannels }: VaeConfig): VaeDecoderGraph {
  return { path, latents: plane('z', latentChannels ?? DEFAULTS.latentChannels), image: plane('sample', 3) };
}

const tensor = (name: string, shape: TensorInfo['shape']): TensorInfo => ({ name, type: 'float32', shape });
const plane = (name: string, channels: number) => tensor(name, [null, channels, null, null]);

/** Path of one file with all weights of a part, or of the index that names its shards. */
async function findWeights(files: ModelFiles, path: string): Promise<string> {
  if (await files.has(path)) return (await files.check(path)).path;
  const index = `${path}.index.json`;
  if (await files.has(index)) return checkShards(files, index);
  const beside = (await files.list(['.safetensors', ...PICKLES])).filter((other) => isBeside(path, other));
  const pickled = beside.find((other) => !other.endsWith('.safetensors'));
  if (beside.length === 0) throw invalidModel(path, 'a file', 'none (missing, or a link to nothing)');
  const hint =
    pickled === undefined
      ? `If one of them is it, rename it to ${path}.`
      : `A pickle runs code when it is read, so it is not. Where you trust the file: t2i model convert-pickle ${pickled} --i-trust-this-file`;
  throw invalidModel(path, 'a file', `none; other weights: ${names(beside)}`, hint);
}

async function checkShards(files: ModelFiles, index: string): Promise<string> {
  const json = await files.json(index);
  const map = isRecord(json) && isRecord(json.weight_map) ? Object.values(json.weight_map) : [];
  const shards = [...new Set(map)];
  const plain = (name: unknown) => typeof name === 'string' && /^[\w.-]+\.safetensors$/.test(name);
  if (shards.length === 0 || shards.length > MOST_SHARDS || !shards.every(plain)) {
    const expected = `1 to ${MOST_SHARDS} files of the same folder that end in .safetensors`;
    throw invalidModel(`${index}: weight_map`, expected, shards.length === 0 ? 'none' : describeValue(shards[0]));
  }
  for (const shard of shards) await files.check(posix.join(posix.dirname(index), shard as string));
  return (await files.check(index)).path;
}

const isBeside = (path: string, other: string) => posix.dirname(other) === posix.dirname(path);
