import { MAX_SIDE } from '../request-limits.js';
import type { TextConfig, UnetConfig, VaeConfig } from './configs.js';
import type { TensorInfo, TextEncoderGraph, UnetGraph, VaeDecoderGraph } from './description.js';
import type { Problems } from './problems.js';

/** What one file says about a quantity; null where it leaves it open. */
type Statement = readonly [where: string, value: number | null | undefined];

const AXES = [
  [2, 'height'],
  [3, 'width'],
] as const;

/** The quantities that several files of a model state, agreed on. */
export interface Agreed {
  readonly statesPerPrompt: number;
  readonly guidanceWidth: number | null;
  readonly latentChannels: number;
  readonly vaeFactor: number;
  /** Pixels, where the graphs fix them. */
  readonly fixedSize: { readonly width: number; readonly height: number } | null;
}

/** Everything that says something about sizes. */
export interface Parts {
  readonly textEncoder: TextEncoderGraph;
  readonly unet: UnetGraph;
  readonly vaeDecoder: VaeDecoderGraph;
  readonly textConfig: TextConfig;
  readonly unetConfig: UnetConfig;
  readonly vaeConfig: VaeConfig;
  readonly contextLength: number | null;
  readonly vocabSize: number | null;
}

/** Compares what the graphs, the configurations and the tokenizer say, and notes each contradiction. */
export function agree(parts: Parts, problems: Problems): Agreed {
  const { textEncoder, unet, vaeDecoder, textConfig, unetConfig, vaeConfig } = parts;
  const latentChannels = same(problems, 'latent channels', [
    ['unet/model.onnx input', unet.sample.shape[1]],
    ['unet/model.onnx output', unet.output.shape[1]],
    ['unet/config.json', unetConfig.inChannels],
    ['vae_decoder/model.onnx input', vaeDecoder.latents.shape[1]],
    ['the autoencoder config.json', vaeConfig.latentChannels],
  ]);
  same(problems, 'width of the text states', [
    ['text_encoder/model.onnx output', textEncoder.states.shape[2]],
    ['text_encoder/config.json', textConfig.hiddenSize],
    ['unet/model.onnx input', unet.encoderHiddenStates.shape[2]],
    ['unet/config.json', unetConfig.crossAttentionDim],
  ]);
  same(problems, 'tokens of the context', [
    ['the tokenizer', parts.contextLength],
    ['text_encoder/model.onnx input', textEncoder.ids.shape[1]],
    ['text_encoder/model.onnx attention mask', textEncoder.attentionMask?.shape[1]],
  ]);
  const states = same(problems, 'text states of a prompt', [
    ['text_encoder/model.onnx output', textEncoder.states.shape[1]],
    ['unet/model.onnx input', unet.encoderHiddenStates.shape[1]],
  ]);
  same(problems, 'channels of the image', [
    ['red, green and blue', 3],
    ['vae_decoder/model.onnx output', vaeDecoder.image.shape[1]],
  ]);
  atMost(problems, 'tokenizer: context length', parts.contextLength, textConfig.contextLength, 'positions');
  atMost(problems, 'tokenizer: size of the vocabulary', parts.vocabSize, textConfig.vocabSize, 'embeddings');
  if (latentChannels === null) problems.add('unet/model.onnx', 'a fixed number of latent channels', 'a dynamic one');
  const latents = AXES.map(([axis, name]) =>
    same(problems, `${name} of the latents`, [
      ['unet/model.onnx input', unet.sample.shape[axis]],
      ['unet/model.onnx output', unet.output.shape[axis]],
      ['vae_decoder/model.onnx input', vaeDecoder.latents.shape[axis]],
    ]),
  );
  const vaeFactor = factorOf(vaeDecoder, vaeConfig, latents, problems);
  const [height = null, width = null] = latents;
  if ((height === null) !== (width === null)) {
    problems.add('unet/model.onnx', 'height and width of the latents both fixed or both dynamic', 'one of each');
  }
  checkBatches(parts, problems);
  checkSides(parts, { height, width, vaeFactor }, problems);
  const fixedSize = height === null || width === null ? null : { width: width * vaeFactor, height: height * vaeFactor };
  return {
    statesPerPrompt: states ?? parts.contextLength ?? 0,
    guidanceWidth: guidanceWidthOf(unet, unetConfig, problems),
    latentChannels: latentChannels ?? 0,
    vaeFactor,
    fixedSize,
  };
}

/** Rows that the tensors of one graph have together; a timestep may be one for all of them. */
function checkBatches({ textEncoder, unet, vaeDecoder }: Parts, problems: Problems): void {
  const ofTensors = (graph: string, tensors: readonly (TensorInfo | null)[]) =>
    same(
      problems,
      `batch of ${graph}/model.onnx`,
      tensors.map((tensor): Statement => [JSON.stringify(tensor?.name), tensor?.shape[0]]),
    );
  const { sample, timestep, encoderHiddenStates, timestepCond, output } = unet;
  ofTensors('text_encoder', [textEncoder.ids, textEncoder.attentionMask, textEncoder.states]);
  ofTensors('unet', [sample, timestep.shape[0] === 1 ? null : timestep, encoderHiddenStates, timestepCond, output]);
  ofTensors('vae_decoder', [vaeDecoder.latents, vaeDecoder.image]);
}

/** What no request could ask for: a size that the graphs fix, that the model was trained for, or that all must be multiples of. */
function checkSides(
  { unetConfig }: Parts,
  { vaeFactor, ...fixed }: { height: number | null; width: number | null; vaeFactor: number },
  problems: Problems,
): void {
  const most = Math.floor(MAX_SIDE / vaeFactor);
  const expected = `at most ${most} latent pixels (${MAX_SIDE} pixels) a side`;
  const check = (option: string, size: number | null) => {
    if (size !== null && size > most) problems.add(option, expected, String(size));
  };
  for (const [, axis] of AXES) check(`unet/model.onnx input: ${axis} of the latents`, fixed[axis]);
  const { height, width } = unetConfig.sampleSize ?? { height: null, width: null };
  check('unet/config.json: sample_size', height);
  if (width !== height) check('unet/config.json: sample_size', width);
  check('unet/config.json: block_out_channels, 2 to the number of halvings', 2 ** unetConfig.halvings);
}

/** Null where the UNet has no such input, whatever its configuration says: then it was exported without. */
function guidanceWidthOf({ timestepCond }: UnetGraph, config: UnetConfig, problems: Problems): number | null {
  if (timestepCond === null) return null;
  const width = same(problems, 'width of the guidance embedding', [
    ['unet/model.onnx input', timestepCond.shape[1]],
    ['unet/config.json', config.timeCondProjDim],
  ]);
  if (width === null) problems.add('unet/model.onnx', 'a fixed width of the guidance embedding', 'a dynamic one');
  return width;
}

/** Pixels for a latent pixel: from the image's fixed sides, from the configuration, or 8 where neither says it. */
function factorOf(
  graph: VaeDecoderGraph,
  config: VaeConfig,
  latents: readonly (number | null)[],
  problems: Problems,
): number {
  const measured = AXES.map(([axis, name], i): Statement => {
    const [pixels, latent] = [graph.image.shape[axis] ?? null, latents[i] ?? null];
    return [`vae_decoder/model.onnx ${name}`, pixels === null || latent === null ? null : pixels / latent];
  });
  const factor =
    same(problems, 'pixels for a latent pixel', [...measured, ['the autoencoder config.json', config.factor]]) ?? 8;
  if (Number.isInteger(factor) && factor >= 1) return factor;
  problems.add('vae_decoder/model.onnx', 'a whole number of pixels for a latent pixel', String(factor));
  return 8;
}

/** The value on which all statements agree, null where none states one; notes the contradiction otherwise. */
function same(problems: Problems, quantity: string, statements: readonly Statement[]): number | null {
  const stated = statements.filter((statement): statement is [string, number] => statement[1] != null);
  if (new Set(stated.map(([, value]) => value)).size > 1) {
    problems.add(quantity, 'one number', stated.map(([where, value]) => `${value} in ${where}`).join(', '));
  }
  return stated[0]?.[1] ?? null;
}

function atMost(problems: Problems, option: string, value: number | null, limit: number | null, unit: string): void {
  if (value !== null && limit !== null && value > limit) {
    problems.add(option, `at most the ${limit} ${unit} of text_encoder/config.json`, String(value));
  }
}
