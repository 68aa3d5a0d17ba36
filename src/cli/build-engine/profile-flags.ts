import { type Issue, T2IError } from '../../errors.js';
import { describeValue } from '../../fields.js';
import { parseRequest, type RequestLimits } from '../../options.js';
import type { CommandInput } from '../command.js';

/** Images at once, and the size of their latents in latent pixels. */
interface Shape {
  readonly batch: number;
  readonly height: number;
  readonly width: number;
}

/** From `min` to `max`, fastest at `opt`; whether the model allows it is not checked here. */
interface Profile {
  readonly min: Shape;
  readonly opt: Shape;
  readonly max: Shape;
}

/** A profile, none where the flags leave it to the SDK, or what is wrong with them. */
export type ProfileFlags = { readonly profile: Profile | undefined } | { readonly issues: readonly Issue[] };

/**
 * Reads `--profile`, which counts latent pixels, or `--batch` and `--size`, which count images and pixels.
 *
 * @param limits what requests to this model are checked against
 * @param vaeFactor pixels a latent pixel stands for along one side
 */
export function readProfileFlags(
  { profile, batch, size }: CommandInput['flags'],
  limits: RequestLimits,
  vaeFactor: number,
): ProfileFlags {
  if (profile === undefined && batch === undefined && size === undefined) return { profile: undefined };
  if (profile === undefined) return readImages(batch, size, limits, vaeFactor);
  if (batch === undefined && size === undefined) return readShapes(String(profile));
  const both = ['--profile', ...(batch === undefined ? [] : ['--batch']), ...(size === undefined ? [] : ['--size'])];
  return refused('--profile', 'either --profile, or --batch and --size', both.join(' and '));
}

/** One shape, the smallest and the largest, or these two with the most usual one in between. */
function readShapes(text: string): ProfileFlags {
  const shapes = text.split(',').map((part) => {
    const [batch, height, width] = /^(\d{1,9})x(\d{1,9})x(\d{1,9})$/i.exec(part.trim())?.slice(1).map(Number) ?? [];
    return batch === undefined || height === undefined || width === undefined ? null : { batch, height, width };
  });
  const [first, second = first, third = second] = shapes;
  if (!first || !second || !third || shapes.length > 3) {
    const expected = 'one to three of BATCHxHEIGHTxWIDTH in latent pixels, for example 1x16x16,4x16x16';
    return refused('--profile', expected, describeValue(text));
  }
  return { profile: { min: first, opt: shapes.length === 3 ? second : first, max: third } };
}

/** `1..4` images of `128x128` pixels; where one is left out, one image and the model's own size. */
function readImages(batch: unknown, size: unknown, limits: RequestLimits, vaeFactor: number): ProfileFlags {
  const range = /^(\d{1,9})(?:\.\.(\d{1,9}))?$/.exec(String(batch ?? 1));
  const [first, last] = [Number(range?.[1]), Number(range?.[2] ?? range?.[1])];
  const own = limits.nativeSize;
  const sides = /^(\d{1,9})(?:x(\d{1,9}))?$/i.exec(String(size ?? `${own.width}x${own.height}`));
  const [width, height] = [Number(sides?.[1]), Number(sides?.[2] ?? sides?.[1])];
  const issues: Issue[] = [];
  // The largest request that the engines shall run; the checks of requests say what is wrong with it.
  const wrong = new Map(requestIssues({ width, height, n: last }, limits).map((issue) => [issue.option, issue]));
  const expected = wrong.get('n')?.expected ?? 'a range that grows';
  if (wrong.has('n') || !(first >= 1 && first <= last)) {
    const example = `${expected}, or a range, for example 1..4`;
    issues.push({ option: '--batch', expected: example, received: describeValue(batch) });
  }
  const side = wrong.get('width') ?? wrong.get('height');
  if (side) {
    issues.push({
      option: '--size',
      expected: `width and height, each ${side.expected}`,
      received: describeValue(size),
    });
  }
  if (issues.length > 0) return { issues };
  const latents = { height: height / vaeFactor, width: width / vaeFactor };
  const min = { batch: first, ...latents };
  return { profile: { min, opt: min, max: { batch: last, ...latents } } };
}

function requestIssues(options: { width: number; height: number; n: number }, limits: RequestLimits): readonly Issue[] {
  try {
    parseRequest({ prompt: '', ...options }, limits);
    return [];
  } catch (error) {
    if (T2IError.is(error) && error.code === 'OPTION_INVALID') return error.issues;
    throw error;
  }
}

function refused(option: string, expected: string, received: string): ProfileFlags {
  return { issues: [{ option, expected, received }] };
}
