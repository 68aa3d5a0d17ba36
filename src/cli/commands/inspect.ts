import { stat } from 'node:fs/promises';
import type { Receipt } from '../../image/receipt.js';
import type { ModelDescription, TensorInfo } from '../../model/description.js';
import { type Command, JSON_FLAG } from '../command.js';
import { EXIT } from '../exit-codes.js';
import type { Io } from '../io.js';
import { printJson, table } from '../output.js';

export const inspect: Command = {
  name: 'inspect',
  summary: 'Show what a model directory or the receipt of a picture holds.',
  arguments: [
    {
      name: 'path',
      description: 'a picture, a model directory, or the name of a model that ships (default: the default model)',
      required: false,
    },
  ],
  flags: [JSON_FLAG],
  examples: ['t2i inspect apple.png', 't2i inspect ./my-model', 't2i inspect apple.png --json'],
  async run({ args, flags }, io) {
    const [path] = args;
    const json = flags.json === true;
    if (path !== undefined && (await isPicture(path))) await inspectPicture(path, json, io);
    else await inspectModel(path, json, io);
    return EXIT.ok;
  },
};

/** A file, or what would be a picture if it existed, so that a slip in its name is told as such. */
async function isPicture(path: string): Promise<boolean> {
  const info = await stat(path).catch(() => null);
  return info ? info.isFile() : /\.(png|jpe?g|webp)$/i.test(path);
}

async function inspectPicture(path: string, json: boolean, io: Io): Promise<void> {
  const { readReceipt } = await import('../../image/read-receipt.js');
  const receipt = await readReceipt(path);
  if (json) printJson(io, receipt);
  else io.stdout.write(table(receiptRows(receipt)));
}

async function inspectModel(nameOrDir: string | undefined, json: boolean, io: Io): Promise<void> {
  const [{ describeModel }, { resolveModel }] = await Promise.all([
    import('../../model/layout.js'),
    import('../../model/resolve.js'),
  ]);
  const model = await describeModel(await resolveModel(nameOrDir));
  if (json) printJson(io, model);
  else io.stdout.write(table(modelRows(model)));
}

function receiptRows(receipt: Receipt): [string, string][] {
  const { plan, model, backend } = receipt;
  return [
    ['prompt', receipt.prompt],
    ['negative prompt', receipt.negativePrompt || '(none)'],
    ['seed', String(receipt.seed)],
    ['size', `${receipt.width}x${receipt.height}`],
    ['steps', String(plan.steps)],
    ['sampler', plan.sampler],
    ['sigmas', plan.sigmas ?? "(the model's own)"],
    ['eta', plan.eta === null ? '(not taken)' : String(plan.eta)],
    ['guidance', String(receipt.guidanceScale)],
    ['model', `${model.name}\n${hashLines(model.hashes)}`],
    ['backend', `${backend.name} (${backend.runtime})`],
    ['made by', receipt.sdk],
    ['pixels', `sha256 ${receipt.rgbSha256}`],
  ];
}

function modelRows(model: ModelDescription): [string, string][] {
  const { scheduler, tokenizer, fixedSize, manifest } = model;
  const size = fixedSize
    ? `${fixedSize.width}x${fixedSize.height} only`
    : `${model.nativeSize}x${model.nativeSize}, or multiples of ${model.sizeGranularity}`;
  const rows: [string, string][] = [
    ['model', model.name],
    ['directory', model.dir],
    ['picture size', size],
    ['latents', `${model.latentChannels} channels, 1/${model.vaeFactor} of the size, scaling ${model.scalingFactor}`],
    ['prediction', scheduler.predictionType],
    ['noise schedule', `${scheduler.betaSchedule}, ${scheduler.numTrainTimesteps} training timesteps`],
    ['spacing', scheduler.timestepSpacing],
    ['tokenizer', `context of ${tokenizer.contextLength} tokens, padding ${tokenizer.padTokenId}`],
    ['text states', `${model.statesPerPrompt} for each prompt`],
    ['text encoder', tensors(model.textEncoder.ids, model.textEncoder.states)],
    ['unet', tensors(model.unet.sample, model.unet.timestep, model.unet.encoderHiddenStates, model.unet.output)],
    ['vae decoder', tensors(model.vaeDecoder.latents, model.vaeDecoder.image)],
    ['files', hashLines(model.hashes)],
  ];
  if (manifest) {
    const { steps, guidanceScale, sampler } = manifest.defaults;
    rows.splice(
      2,
      0,
      ['defaults', `${steps} steps, guidance ${guidanceScale}, ${sampler}`],
      ['licence', manifest.licence],
    );
  }
  return rows;
}

/** For example `sample float32[?,4,16,16]`, a tensor a line. */
function tensors(...infos: readonly TensorInfo[]): string {
  return infos
    .map(({ name, type, shape }) => `${name} ${type}[${shape.map((size) => size ?? '?').join(',')}]`)
    .join('\n');
}

function hashLines(hashes: Readonly<Record<string, string>>): string {
  return Object.entries(hashes)
    .map(([path, hash]) => `${hash.slice(0, 16)}  ${path}`)
    .join('\n');
}
