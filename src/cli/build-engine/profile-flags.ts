import type { Issue } from '../../errors.js';
import { describeValue } from '../../fields.js';
import type { ModelDescription } from '../../model/description.js';
import { MAX_IMAGES, MAX_SIDE } from '../../options.js';
import type { CommandInput } from '../command.js';

/** Pictures at once, and the size of their latents. */
export interface LatentShape {
  readonly batch: number;
  readonly height: number;
  readonly width: number;
}

/** What an engine must be able to run: from `min` to `max`, fastest at `opt`. */
export interface LatentProfile {
  readonly min: LatentShape;
  readonly opt: LatentShape;
  readonly max: LatentShape;
}

type Sizes = Pick<ModelDescription, 'vaeFactor' | 'fixedSize' | 'sizeGranularity' | 'nativeSize'>;

/** A profile, none where the flags leave it to the SDK, or what is wrong with them. */
export type ProfileFlags =
  | { readonly profile: LatentProfile | undefined }
  | { readonly issues: readonly [Issue, ...Issue[]] };

/** Reads `--profile`, or `--batch` and `--size`, for this model. */
export function readProfileFlags({ profile, batch, size }: CommandInput['flags'], model: Sizes): ProfileFlags {
  if (typeof profile === 'string') {
    if (batch === undefined && size === undefined) return readShapes(profile, model);
    const received = [batch !== undefined && '--batch', size !== undefined && '--size'].filter(Boolean).join(' and ');
    return issue('--profile', 'either --profile, or --batch and --size', `--profile and ${received}`);
  }
  if (batch === undefined && size === undefined) return { profile: undefined };
  return readPictures(batch, size, model);
}

/** For example `1x16x16,4x16x16`: the smallest and the largest, or these two with the most usual one in between. */
function readShapes(text: string, model: Sizes): ProfileFlags {
  const shapes = text
    .split(',')
    .map((part) => /^(\d{1,5})x(\d{1,5})x(\d{1,5})$/i.exec(part.trim())?.slice(1).map(Number));
  const whole = shapes.every((shape) => shape !== undefined);
  if (!whole || shapes.length > 3) {
    const expected = 'one to three of BATCHxHEIGHTxWIDTH in latent pixels, for example 1x16x16,4x16x16';
    return issue('--profile', expected, describeValue(text));
  }
  const [min, opt, max] = [0, (shapes.length - 1) >> (shapes.length === 3 ? 1 : 0), shapes.length - 1].map((at) => {
    const [batch = 0, height = 0, width = 0] = shapes[at] as number[];
    return { batch, height, width };
  }) as [LatentShape, LatentShape, LatentShape];
  const grows = (a: LatentShape, b: LatentShape) => a.batch <= b.batch && a.height <= b.height && a.width <= b.width;
  if (!grows(min, opt) || !grows(opt, max)) return issue('--profile', 'shapes that grow', describeValue(text));
  const batches = isBatch(min.batch) && isBatch(max.batch) ? undefined : `batches from 1 to ${MAX_IMAGES}`;
  const problem = batches ?? sizeProblem(min, model) ?? sizeProblem(opt, model) ?? sizeProblem(max, model);
  return problem ? issue('--profile', problem, describeValue(text)) : { profile: { min, opt, max } };
}

/** `--batch 1..4` and `--size 128x128`, each with a default of its own: one picture, and the model's own size. */
function readPictures(batch: unknown, size: unknown, model: Sizes): ProfileFlags {
  const { width, height } = model.fixedSize ?? { width: model.nativeSize, height: model.nativeSize };
  const range = /^(\d{1,5})(?:\.\.(\d{1,5}))?$/.exec(String(batch ?? 1));
  const sides = /^(\d{1,5})(?:x(\d{1,5}))?$/i.exec(String(size ?? `${width}x${height}`));
  const [first, last] = [Number(range?.[1]), Number(range?.[2] ?? range?.[1])];
  const [across, down] = [Number(sides?.[1]), Number(sides?.[2] ?? sides?.[1])];
  const issues: Issue[] = [];
  if (!(isBatch(first) && isBatch(last) && first <= last)) {
    const expected = `a number of pictures from 1 to ${MAX_IMAGES}, or a range, for example 1..4`;
    issues.push({ option: '--batch', expected, received: describeValue(batch) });
  }
  const latents = { height: down / model.vaeFactor, width: across / model.vaeFactor };
  const problem = sizeProblem(latents, model);
  if (problem !== undefined) issues.push({ option: '--size', expected: problem, received: describeValue(size) });
  if (issues.length > 0) return { issues: issues as [Issue, ...Issue[]] };
  const max = { batch: last, ...latents };
  return { profile: { min: { batch: first, ...latents }, opt: max, max } };
}

function isBatch(batch: number): boolean {
  return batch >= 1 && batch <= MAX_IMAGES;
}

/** What the latents' sides should be, where they are something else. */
function sizeProblem({ height, width }: Omit<LatentShape, 'batch'>, model: Sizes): string | undefined {
  const { vaeFactor, fixedSize } = model;
  if (fixedSize) {
    if (height * vaeFactor === fixedSize.height && width * vaeFactor === fixedSize.width) return undefined;
    const latents = `${fixedSize.height / vaeFactor}x${fixedSize.width / vaeFactor}`;
    return `${fixedSize.width}x${fixedSize.height} pixels (${latents} latent pixels), the only size of this model`;
  }
  const step = model.sizeGranularity / vaeFactor;
  const fits = (side: number) => side >= step && side % step === 0 && side * vaeFactor <= MAX_SIDE;
  if (fits(height) && fits(width)) return undefined;
  return `sides that are multiples of ${step * vaeFactor} pixels (${step} latent pixels), at most ${MAX_SIDE}`;
}

function issue(option: string, expected: string, received: string): ProfileFlags {
  return { issues: [{ option, expected, received }] };
}
