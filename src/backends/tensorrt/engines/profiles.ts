import type { Issue } from '../../../errors.js';
import { refuse } from '../../../fields.js';
import type { ModelDescription, TensorInfo } from '../../../model/description.js';
import { tensorsOf } from '../../../model/networks.js';
import { invalidModel } from '../../../model/problems.js';
import type { NetworkName } from '../../backend.js';
import type { InputShapes } from './header.js';

/** Images at once, and the size of their latents in latent pixels. */
export interface LatentShape {
  readonly batch: number;
  readonly height: number;
  readonly width: number;
}

/** What the engines of a model must be able to run: from `min` to `max`, fastest at `opt`. */
export interface EngineProfile {
  readonly min: LatentShape;
  readonly opt: LatentShape;
  readonly max: LatentShape;
}

const ENDS = ['min', 'opt', 'max'] as const;
type End = (typeof ENDS)[number];
const SIDES = ['batch', 'height', 'width'] as const;

/** Images that run at once without being asked for more; larger requests run in turns. */
const DEFAULT_BATCH = 4;

/** One to four images of the size that the model was trained for, or as many as its graphs allow; fastest for one. */
export function defaultProfile(model: ModelDescription): EngineProfile {
  const { width, height } = model.nativeSize;
  const size = { height: height / model.vaeFactor, width: width / model.vaeFactor };
  const batch = Math.min(DEFAULT_BATCH, largestBatch(model));
  const one = { batch: 1, ...size };
  return { min: one, opt: one, max: { batch, ...size } };
}

/**
 * @throws T2IError OPTION_INVALID with everything about the profile that contradicts itself or the model's graphs
 */
export function checkProfile(profile: EngineProfile, model: ModelDescription): void {
  const issues: Issue[] = [];
  const add = (option: string, expected: string, received: unknown) =>
    issues.push({ option: `profile ${option}`, expected, received: String(received) });
  for (const side of SIDES) {
    const [min, opt, max] = ENDS.map((end) => profile[end][side]) as [number, number, number];
    const whole = [min, opt, max].every((value) => Number.isSafeInteger(value) && value >= 1 && value < 2 ** 31);
    if (!whole) add(side, 'whole numbers from 1', `${min}, ${opt}, ${max}`);
    else if (min > opt || opt > max)
      add(side, 'a smallest, a most usual and a largest that grow', `${min}, ${opt}, ${max}`);
  }
  const batch = largestBatch(model);
  if (profile.max.batch > batch) add('batch', `at most ${batch}, which the graphs of the model fix`, profile.max.batch);
  for (const side of ['height', 'width'] as const) {
    const sizes = ENDS.map((end) => profile[end][side]);
    const fixed = model.fixedSize && model.fixedSize[side] / model.vaeFactor;
    const step = model.sizeGranularity / model.vaeFactor;
    if (fixed && sizes.some((size) => size !== fixed)) {
      add(side, `${fixed} latent pixels, which the graphs of the model fix`, sizes);
    } else if (!fixed && sizes.some((size) => size % step !== 0))
      add(side, `multiples of ${step} latent pixels`, sizes);
  }
  refuse(issues);
}

/**
 * The shapes that each input of a network may take under a profile. Sizes that a graph fixes are kept, and inputs without an open
 * one are left out. The text encoder runs one prompt at a time; the UNet one row for each image, and two with guidance.
 */
export function inputShapes(model: ModelDescription, network: NetworkName, profile: EngineProfile): InputShapes[] {
  return tensorsOf(model, network)
    .inputs.filter(({ shape }) => shape.includes(null))
    .map((info) => {
      const [min, opt, max] = ENDS.map((end) => inputShape(model, network, info, profile, end)) as [
        number[],
        number[],
        number[],
      ];
      return { input: info.name, min, opt, max };
    });
}

/** The shape of one input at one end of a profile. */
export function inputShape(
  model: ModelDescription,
  network: NetworkName,
  info: TensorInfo,
  profile: EngineProfile,
  end: End,
): number[] {
  const { batch, height, width } = profile[end];
  const { latentChannels } = model;
  const fill = (sizes: readonly number[]) => info.shape.map((size, axis) => size ?? (sizes[axis] as number));
  const { unet } = model;
  if (network === 'textEncoder') return fill([1, model.tokenizer.contextLength]);
  if (network === 'vaeDecoder') return fill([batch, latentChannels, height, width]);
  const rows = unet.sample.shape[0] ?? (end === 'min' ? batch : 2 * batch);
  if (info === unet.timestep) return fill([rows]);
  if (info === unet.timestepCond) return fill([rows, model.guidanceWidth as number]);
  if (info === unet.encoderHiddenStates) return fill([rows, model.statesPerPrompt, statesWidth(model)]);
  return fill([rows, latentChannels, height, width]);
}

function statesWidth({ unet, textEncoder }: ModelDescription): number {
  const width = unet.encoderHiddenStates.shape[2] ?? textEncoder.states.shape[2] ?? null;
  if (width === null) throw invalidModel('unet/model.onnx', 'a fixed width of the text states', 'an open one');
  return width;
}

/** The profile that a decoder with these shapes was built for. */
export function profileOfDecoder(model: ModelDescription, shapes: readonly InputShapes[]): EngineProfile {
  const { latents } = model.vaeDecoder;
  const open = shapes.find(({ input }) => input === latents.name);
  const at = (end: End): LatentShape => {
    const [batch, , height, width] = latents.shape.map((size, axis) => size ?? open?.[end][axis] ?? 1);
    return { batch: batch as number, height: height as number, width: width as number };
  };
  return { min: at('min'), opt: at('opt'), max: at('max') };
}

/** Images that fit into one run of graphs that fix their batch; Infinity where none does. A UNet takes two rows for one. */
function largestBatch({ unet, vaeDecoder }: ModelDescription): number {
  const rows = unet.sample.shape[0] ?? Number.POSITIVE_INFINITY;
  return Math.max(1, Math.min(Math.floor(rows / 2), vaeDecoder.latents.shape[0] ?? Number.POSITIVE_INFINITY));
}
