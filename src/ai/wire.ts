import { ERROR_CODES, type ErrorCode, type Issue, T2IError } from '../errors.js';
import { isRecord } from '../fields.js';
import { plainAddress } from '../http/http-error.js';
import type { RequestOptions } from '../options.js';
import { asCallFault } from './call-options.js';

/** The server's name of each option, where it has another. */
const WIRE_NAMES: Readonly<Record<string, string>> = {
  negativePrompt: 'negative_prompt',
  guidanceScale: 'guidance_scale',
};
const OPTION_NAMES = new Map(Object.entries(WIRE_NAMES).map(([option, name]) => [name, option]));

/** The body of `POST /v1/images/generations`. */
export function toBody(model: string, { width, height, ...options }: RequestOptions): Record<string, unknown> {
  const entries = Object.entries(options).map(([option, value]) => [WIRE_NAMES[option] ?? option, value]);
  return {
    model,
    ...Object.fromEntries(entries),
    ...(width !== undefined && { size: `${width}x${height}` }),
    response_format: 'b64_json',
  };
}

/** What a server answered. */
export interface Answer {
  /** Base64. */
  readonly images: string[];
  readonly seeds: readonly number[];
  readonly created: Date;
  readonly usage: {
    inputTokens: number | undefined;
    outputTokens: number | undefined;
    totalTokens: number | undefined;
  };
  readonly told: readonly string[];
}

/** @throws T2IError REMOTE_REFUSED where it is no answer with `n` images and their seeds */
export function readAnswer(json: unknown, n: number, url: string): Answer {
  const data: unknown[] = isRecord(json) && Array.isArray(json.data) ? json.data : [];
  const images = data.map((each) => (isRecord(each) ? each.b64_json : undefined));
  const seeds = data.map((each) => (isRecord(each) ? each.seed : undefined));
  const whole = images.every((image) => typeof image === 'string') && seeds.every(Number.isSafeInteger);
  if (!isRecord(json) || images.length !== n || !whole) {
    const received = images.length === n ? 'others' : `${images.length}`;
    throw noAnswer(url, `${n} images in base64, each with its seed, received ${received}`);
  }
  const usage = isRecord(json.usage) ? json.usage : {};
  const count = (name: string) => (typeof usage[name] === 'number' ? usage[name] : undefined);
  const warnings: unknown[] = Array.isArray(json.warnings) ? json.warnings : [];
  return {
    images: images as string[],
    seeds: seeds as number[],
    created: typeof json.created === 'number' ? new Date(json.created * 1000) : new Date(),
    usage: {
      inputTokens: count('input_tokens'),
      outputTokens: count('output_tokens'),
      totalTokens: count('total_tokens'),
    },
    told: warnings.flatMap((each) => (isRecord(each) && typeof each.message === 'string' ? [each.message] : [])),
  };
}

/** The error that a server answered with, by the names that the options have in a call. */
export function refusalOf(json: unknown, url: string): unknown {
  const error = isRecord(json) ? json.error : undefined;
  if (!isRecord(error) || typeof error.message !== 'string') {
    return noAnswer(url, 'an error as OpenAI writes it', 'baseURL is the address of the API, and ends in /v1.');
  }
  const name = String(error.code).toUpperCase();
  const code = Object.hasOwn(ERROR_CODES, name) ? (name as ErrorCode) : 'REMOTE_REFUSED';
  const hint = typeof error.hint === 'string' ? error.hint : undefined;
  const issues = Array.isArray(error.issues) ? error.issues.flatMap(issueOf) : [];
  return asCallFault(new T2IError(code, error.message, { hint, issues }));
}

/** A mistake as the server tells it: the option, and a sentence that begins with it. */
function issueOf(told: unknown): Issue[] {
  if (!isRecord(told) || typeof told.param !== 'string' || typeof told.message !== 'string') return [];
  const option = OPTION_NAMES.get(told.param) ?? told.param;
  const start = `${told.param}: `;
  const problem = told.message.startsWith(start) ? told.message.slice(start.length) : told.message;
  const [, expected = problem, received = 'something else'] = /^expected (.*), received (.*)$/s.exec(problem) ?? [];
  return [{ option, expected, received, problem }];
}

function noAnswer(url: string, expected: string, hint?: string): T2IError {
  return new T2IError('REMOTE_REFUSED', `${plainAddress(url)}: expected ${expected}`, {
    hint: hint ?? 'Check that the address is that of `t2i serve`, of this version.',
  });
}
