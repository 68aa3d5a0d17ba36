import type { ImageModelV3CallOptions, SharedV3Warning } from '@ai-sdk/provider';
import { describeIssues, type Issue, T2IError } from '../errors.js';
import { describeValue, isRecord, refuse, unknownOption } from '../fields.js';
import type { RequestOptions } from '../options.js';

/** What `providerOptions.t2i` may hold: options of `generate` that the AI SDK has no names for. */
export type T2IImageOptions = Pick<
  RequestOptions,
  'steps' | 'guidanceScale' | 'negativePrompt' | 'sampler' | 'preset' | 'sigmas' | 'eta'
>;

const OWN: readonly string[] = [
  'steps',
  'guidanceScale',
  'negativePrompt',
  'sampler',
  'preset',
  'sigmas',
  'eta',
] satisfies (keyof T2IImageOptions)[];

/** Where a call holds them. */
const PLACE = 'providerOptions.t2i';

/** A call of the AI SDK in this package's terms. */
export interface ReadCall {
  readonly options: RequestOptions;
  /** One for each thing that was asked for and cannot be done. */
  readonly warnings: SharedV3Warning[];
}

/**
 * Reads what the AI SDK asks an image model for. Values are left to `generate`, or to the server, to check.
 *
 * @throws T2IError OPTION_INVALID with every mistake: no prompt, a size that is none, unknown names in `providerOptions.t2i`
 */
export function readCall({ prompt, n, size, seed, providerOptions, ...rest }: ImageModelV3CallOptions): ReadCall {
  const issues: Issue[] = [];
  if (prompt === undefined) issues.push({ option: 'prompt', expected: 'text', received: 'nothing' });
  const [, width, height] = /^(\d+)x(\d+)$/.exec(size ?? '') ?? [];
  if (size !== undefined && height === undefined) {
    issues.push({ option: 'size', expected: 'WIDTHxHEIGHT, such as 128x128', received: describeValue(size) });
  }
  const own: unknown = providerOptions?.t2i ?? {};
  if (!isRecord(own)) {
    issues.push({ option: PLACE, expected: 'an object', received: describeValue(own) });
  }
  const given = isRecord(own) ? own : {};
  for (const name of Object.keys(given)) {
    if (!OWN.includes(name)) issues.push({ ...unknownOption(name, OWN), option: `${PLACE}.${name}` });
  }
  refuse(issues);
  return {
    options: {
      ...given,
      prompt: prompt as string,
      n,
      ...(seed !== undefined && { seed }),
      ...(height !== undefined && { width: Number(width), height: Number(height) }),
    },
    warnings: unsupported(rest),
  };
}

function unsupported({
  aspectRatio,
  files,
  mask,
}: Pick<ImageModelV3CallOptions, 'aspectRatio' | 'files' | 'mask'>): SharedV3Warning[] {
  const warn = (feature: string, details: string): SharedV3Warning => ({ type: 'unsupported', feature, details });
  return [
    ...(aspectRatio === undefined ? [] : [warn('aspectRatio', 'Ask for a size, such as 128x128.')]),
    ...(files === undefined || files.length === 0 ? [] : [warn('files', 'Images are made from text alone.')]),
    ...(mask === undefined ? [] : [warn('mask', 'Images are made from text alone.')]),
  ];
}

/** An error of `generate` over a call's options, by the names that they have there; every other error as it is. */
export function asCallFault(error: unknown): unknown {
  if (!T2IError.is(error) || error.code !== 'OPTION_INVALID') return error;
  const issues = error.issues.map(renamed);
  return new T2IError('OPTION_INVALID', describeIssues(issues), { issues, hint: error.hint, cause: error });
}

function renamed(issue: Issue): Issue {
  if (issue.option === 'width' || issue.option === 'height') return { ...issue, option: `size (${issue.option})` };
  return OWN.includes(issue.option) ? { ...issue, option: `${PLACE}.${issue.option}` } : issue;
}
