import { MAX_SIDE } from '../request-limits.js';
import type { TextConfig, UnetConfig, VaeConfig } from './configs.js';
import type {
  ModelWeights,
  NetworkName,
  TensorInfo,
  TextEncoderGraph,
  UnetGraph,
  VaeDecoderGraph,
} from './description.js';
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

/** The files that declare what the networks take and give: graphs, or configurations that PyTorch builds the networks from. */
type Sources = Readonly<Record<NetworkName, string>>;

export const SOURCES: Readonly<Record<ModelWeights, Sources>> = {
  onnx: { textEncoder: 'text_encoder/model.onnx', unet: 'unet/model.onnx', vaeDecoder: 'vae_decoder/model.onnx' },
  safetensors: {
    textEncoder: 'text_encoder/config.json',
    unet: 'unet/config.json',
    vaeDecoder: 'vae/config.json',
  },
};

/** Everything that says something about sizes. */
export interface Parts {
  readonly sources: Sources;
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
  const { textEncoder, unet, vaeDecoder, textConfig, unetConfig, vaeConfig, sources } = parts;
  const latentChannels = same(problems, 'latent channels', [
    [`${sources.unet} input`, unet.sample.shape[1]],
    [`${sources.unet} output`, unet.output.shape[1]],
    ['unet/config.json', unetConfig.inChannels],
    [`${sources.vaeDecoder} input`, vaeDecoder.latents.shape[1]],
    ['the autoencoder config.json', vaeConfig.latentChannels],
  ]);
  same(problems, 'width of the text states', [
    [`${sources.textEncoder} output`, textEncoder.states.shape[2]],
    ['text_encoder/config.json', textConfig.hiddenSize],
    [`${sources.unet} input`, unet.encoderHiddenStates.shape[2]],
    ['unet/config.json', unetConfig.crossAttentionDim],
  ]);
  same(problems, 'tokens of the context', [
    ['the tokenizer', parts.contextLength],
    [`${sources.textEncoder} input`, textEncoder.ids.shape[1]],
    [`${sources.textEncoder} attention mask`, textEncoder.attentionMask?.shape[1]],
  ]);
  const states = same(problems, 'text states of a prompt', [
    [`${sources.textEncoder} output`, textEncoder.states.shape[1]],
    [`${sources.unet} input`, unet.encoderHiddenStates.shape[1]],
  ]);
  same(problems, 'channels of the image', [
    ['red, green and blue', 3],
    [`${sources.vaeDecoder} output`, vaeDecoder.image.shape[1]],
  ]);
  atMost(problems, 'tokenizer: context length', parts.contextLength, textConfig.contextLength, 'positions');
  atMost(problems, 'tokenizer: size of the vocabulary', parts.vocabSize, textConfig.vocabSize, 'embeddings');
  if (latentChannels === null) problems.add(sources.unet, 'a fixed number of latent channels', 'a dynamic one');
  const latents = AXES.map(([axis, name]) =>
    same(problems, `${name} of the latents`, [
      [`${sources.unet} input`, unet.sample.shape[axis]],
      [`${sources.unet} output`, unet.output.shape[axis]],
      [`${sources.vaeDecoder} input`, vaeDecoder.latents.shape[axis]],
    ]),
  );
  const vaeFactor = factorOf(parts, latents, problems);
  const [height = null, width = null] = latents;
  if ((height === null) !== (width === null)) {
    problems.add(sources.unet, 'height and width of the latents both fixed or both dynamic', 'one of each');
  }
  checkBatches(parts, problems);
  checkSides(parts, { height, width, vaeFactor }, problems);
  const fixedSize = height === null || width === null ? null : { width: width * vaeFactor, height: height * vaeFactor };
  return {
    statesPerPrompt: states ?? parts.contextLength ?? 0,
    guidanceWidth: guidanceWidthOf(parts, problems),
    latentChannels: latentChannels ?? 0,
    vaeFactor,
    fixedSize,
  };
}

/** Rows that the tensors of one graph have together; a timestep may be one for all of them. */
function checkBatches({ textEncoder, unet, vaeDecoder, sources }: Parts, problems: Problems): void {
  const ofTensors = (source: string, tensors: readonly (TensorInfo | null)[]) =>
    same(
      problems,
      `batch of ${source}`,
      tensors.map((tensor): Statement => [JSON.stringify(tensor?.name), tensor?.shape[0]]),
    );
  const { sample, timestep, encoderHiddenStates, timestepCond, output } = unet;
  ofTensors(sources.textEncoder, [textEncoder.ids, textEncoder.attentionMask, textEncoder.states]);
  ofTensors(sources.unet, [
    sample,
    timestep.shape[0] === 1 ? null : timestep,
    encoderHiddenStates,
    timestepCond,
    output,
  ]);
  ofTensors(sources.vaeDecoder, [vaeDecoder.latents, vaeDecoder.image]);
}

/** What no request could ask for: a size that the graphs fix, that the model was trained for, or that all must be multiples of. */
function checkSides(
  { unetConfig, sources }: Parts,
  { vaeFactor, ...fixed }: { height: number | null; width: number | null; vaeFactor: number },
  problems: Problems,
): void {
  const most = Math.floor(MAX_SIDE / vaeFactor);
  const expected = `at most ${most} latent pixels (${MAX_SIDE} pixels) a side`;
  const check = (option: string, size: number | null) => {
    if (size !== null && size > most) problems.add(option, expected, String(size));
  };
  for (const [, axis] of AXES) check(`${sources.unet} input: ${axis} of the latents`, fixed[axis]);
  const { height, width } = unetConfig.sampleSize ?? { height: null, width: null };
  check('unet/config.json: sample_size', height);
  if (width !== height) check('unet/config.json: sample_size', width);
  check('unet/config.json: block_out_channels, 2 to the number of halvings', 2 ** unetConfig.halvings);
}

/** Null where the UNet has no such input, whatever its configuration says: then it was exported without. */
function guidanceWidthOf({ unet, unetConfig, sources }: Parts, problems: Problems): number | null {
  const { timestepCond } = unet;
  if (timestepCond === null) return null;
  const width = same(problems, 'width of the guidance embedding', [
    [`${sources.unet} input`, timestepCond.shape[1]],
    ['unet/config.json', unetConfig.timeCondProjDim],
  ]);
  if (width === null) problems.add(sources.unet, 'a fixed width of the guidance embedding', 'a dynamic one');
  return width;
}

/** Pixels for a latent pixel: from the image's fixed sides, from the configuration, or 8 where neither says it. */
function factorOf(
  { vaeDecoder, vaeConfig, sources }: Parts,
  latents: readonly (number | null)[],
  problems: Problems,
): number {
  const measured = AXES.map(([axis, name], i): Statement => {
    const [pixels, latent] = [vaeDecoder.image.shape[axis] ?? null, latents[i] ?? null];
    return [`${sources.vaeDecoder} ${name}`, pixels === null || latent === null ? null : pixels / latent];
  });
  const factor =
    same(problems, 'pixels for a latent pixel', [...measured, ['the autoencoder config.json', vaeConfig.factor]]) ?? 8;
  if (Number.isInteger(factor) && factor >= 1) return factor;
  problems.add(sources.vaeDecoder, 'a whole number of pixels for a latent pixel', String(factor));
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
