import { stat } from 'node:fs/promises';
import type { Receipt } from '../../image/receipt.js';
import type { ModelDescription, NetworkName } from '../../model/description.js';
import type { Preset } from '../../model/manifest.js';
import { tensorsOf } from '../../model/networks.js';
import type { RequestLimits } from '../../options.js';
import { type Command, JSON_FLAG } from '../command.js';
import { EXIT } from '../exit-codes.js';
import type { Io } from '../io.js';
import { printJson, table, warn } from '../output.js';

export const inspect: Command = {
  name: 'inspect',
  summary: 'Show what a model directory or the receipt of an image holds.',
  arguments: [
    {
      name: 'path',
      description:
        'an image, a model directory, the name of a model that ships, or OWNER/NAME of the Hub (default: the default model)',
      required: false,
    },
  ],
  flags: [JSON_FLAG],
  examples: ['t2i inspect apple.png', 't2i inspect ./my-model', 't2i inspect apple.png --json'],
  async run({ args, flags }, io) {
    const [path] = args;
    const json = flags.json === true;
    if (path !== undefined && (await isImage(path))) await inspectImage(path, json, io);
    else await inspectModel(path, json, io);
    return EXIT.ok;
  },
};

/** A file, or what would be an image if it existed, so that a slip in its name is told as such. */
async function isImage(path: string): Promise<boolean> {
  const info = await stat(path).catch(() => null);
  return info ? info.isFile() : /\.(png|jpe?g|webp)$/i.test(path);
}

async function inspectImage(path: string, json: boolean, io: Io): Promise<void> {
  const { readReceipt } = await import('../../image/read-receipt.js');
  const receipt = await readReceipt(path);
  if (json) printJson(io, receipt);
  else io.stdout.write(table(receiptRows(receipt)));
}

async function inspectModel(nameOrDir: string | undefined, json: boolean, io: Io): Promise<void> {
  const [{ readModel }, { limitsOf }] = await Promise.all([
    import('../read-model.js'),
    import('../../pipeline/limits.js'),
  ]);
  const model = await readModel(nameOrDir, io);
  const limits = limitsOf(model);
  const { defaults, presets, replacement } = limits;
  const { stamps: _, ...facts } = model;
  if (json) printJson(io, { ...facts, defaults, presets, warnings: replacement === undefined ? [] : [replacement] });
  else io.stdout.write(table(modelRows(model, limits)));
  if (replacement !== undefined) warn(io, replacement);
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

function modelRows(model: ModelDescription, limits: RequestLimits): [string, string][] {
  const { scheduler, tokenizer, fixedSize, manifest } = model;
  const own = `${model.nativeSize.width}x${model.nativeSize.height}`;
  const size = fixedSize ? `${own} only` : `${own}, or multiples of ${model.sizeGranularity}`;
  const presets = Object.entries(limits.presets ?? {}).map(([name, preset]) => `${name}: ${settings(preset)}`);
  const refused = Object.entries(limits.samplers).flatMap(([name, { refusal }]) =>
    refusal ? [`${name}: ${refusal}`] : [],
  );
  const rows: [string, string][] = [
    ['model', model.name],
    ['directory', model.dir],
    ['image size', size],
    ['latents', `${model.latentChannels} channels, 1/${model.vaeFactor} of the size, scaling ${model.scalingFactor}`],
    ['defaults', settings(limits.defaults)],
    ...(presets.length > 0 ? [['presets', presets.join('\n')] as [string, string]] : []),
    ['scheduler', scheduler.className ?? '(none named)'],
    ...(refused.length > 0 ? [['cannot use', refused.join('\n')] as [string, string]] : []),
    ['prediction', scheduler.predictionType],
    ['noise schedule', `${scheduler.betaSchedule}, ${scheduler.numTrainTimesteps} training timesteps`],
    ['spacing', scheduler.timestepSpacing],
    ['tokenizer', `context of ${tokenizer.contextLength} tokens, padding ${tokenizer.padTokenId}`],
    ['text states', `${model.statesPerPrompt} for each prompt`],
    ['text encoder', tensors(model, 'textEncoder')],
    ['unet', tensors(model, 'unet')],
    ['vae decoder', tensors(model, 'vaeDecoder')],
    ['files', hashLines(model.hashes)],
  ];
  if (manifest) rows.splice(2, 0, ['licence', manifest.licence]);
  return rows;
}

/** For example `30 steps, guidance 7.5, ddim`; what is not given is left out. */
function settings({ steps, guidanceScale, sampler }: Preset): string {
  const parts = [
    steps !== undefined && `${steps} steps`,
    guidanceScale !== undefined && `guidance ${guidanceScale}`,
    sampler,
  ];
  return parts.filter(Boolean).join(', ');
}

/** Inputs and output of a network, for example `sample float32[?,4,16,16]`, a tensor a line. */
function tensors(model: ModelDescription, network: NetworkName): string {
  const { inputs, output } = tensorsOf(model, network);
  return [...inputs, output]
    .map(({ name, type, shape }) => `${name} ${type}[${shape.map((size) => size ?? '?').join(',')}]`)
    .join('\n');
}

function hashLines(hashes: Readonly<Record<string, string>>): string {
  return Object.entries(hashes)
    .map(([path, hash]) => `${hash.slice(0, 16)}  ${path}`)
    .join('\n');
}
