import type { Issue } from '../../errors.js';
import type { LoadOptions, RequestOptions } from '../../options.js';
import { type CommandInput, type Flag, flagOfKey, JSON_FLAG } from '../command.js';
import { LOAD_FLAGS, readLoadFlags, toNumber } from '../load-flags.js';
import { REQUEST_KEYS, readRequestOptions } from './request-options.js';

export const GENERATE_FLAGS: readonly Flag[] = [
  {
    flags: '-o, --output <path>',
    description:
      'file, folder, or template with {seed}, {index} and {prompt-hash}; a file of that name is replaced (default: {prompt-hash}-{seed}.png)',
  },
  {
    flags: '-n, --count <n>',
    description: 'number of images; they take seed, seed + 1, ... (default: 1)',
    sets: ['n'],
  },
  { flags: '--seed <n>', description: 'integer from 0 to 2^53 - 1 (default: random, printed)', sets: ['seed'] },
  { flags: '--seeds <list>', description: 'one image for each, for example 1,2,3 or 1-5', sets: ['seeds'] },
  {
    flags: '--preset <name>',
    description: 'a preset of the model, for example fast; t2i inspect lists them',
    sets: ['preset'],
  },
  { flags: '--steps <n>', description: "denoising steps (default: the model's)", sets: ['steps'] },
  {
    flags: '--sampler <name>',
    description: "ddim, ddpm, euler, euler-a, dpmpp-2m or lcm (default: the model's)",
    sets: ['sampler'],
    values: ['ddim', 'ddpm', 'euler', 'euler-a', 'dpmpp-2m', 'lcm'],
  },
  {
    flags: '--sigmas <name>',
    description: "karras, for samplers that take it (default: the model's)",
    sets: ['sigmas'],
    values: ['karras', 'default'],
  },
  {
    flags: '--guidance <scale>',
    description: "classifier-free guidance; 1 or below turns it off (default: the model's)",
    sets: ['guidanceScale'],
  },
  { flags: '--eta <x>', description: 'fresh noise per step, 0 to 1, for samplers that take it', sets: ['eta'] },
  { flags: '--negative <text>', description: 'what the image should not show', sets: ['negativePrompt'] },
  {
    flags: '--size <WxH>',
    description: "pixels, for example 128x128 (default: the model's)",
    sets: ['width', 'height'],
  },
  ...LOAD_FLAGS,
  {
    flags: '--format <name>',
    description: "png, jpeg or webp (default: by the name's extension, else png)",
    values: ['png', 'jpeg', 'webp'],
  },
  { flags: '--no-metadata', description: 'leave out the receipt and the marker for AI-made media' },
  {
    flags: '--preview',
    description: 'write previews to FILE.preview.png while it draws',
  },
  {
    flags: '--batch <file>',
    description:
      'one JSON object with "prompt" and options a line; a second run does only what is missing; - is standard input',
  },
  JSON_FLAG,
  // The SDK's names, for those who come from there.
  { flags: '--n <n>', description: 'the same as --count', sets: ['n'], hidden: true },
  { flags: '--guidance-scale <scale>', description: 'the same as --guidance', sets: ['guidanceScale'], hidden: true },
  { flags: '--negative-prompt <text>', description: 'the same as --negative', sets: ['negativePrompt'], hidden: true },
  { flags: '--width <pixels>', description: 'width alone; --size sets both', sets: ['width'], hidden: true },
  { flags: '--height <pixels>', description: 'height alone; --size sets both', sets: ['height'], hidden: true },
];

/** What the flags say, in the SDK's terms. Values are not checked here, only turned from text into numbers where they are some. */
export interface GenerateFlags {
  readonly request: Omit<RequestOptions, 'prompt'>;
  readonly load: LoadOptions;
  readonly issues: readonly Issue[];
}

/** Flags whose text is to be a number; the SDK refuses by name what is none. */
const NUMBERS = new Set(['count', 'n', 'seed', 'steps', 'guidance', 'guidanceScale', 'eta', 'width', 'height']);

export function readFlags({ flags }: CommandInput): GenerateFlags {
  const given = Object.entries(flags).filter(([key]) => REQUEST_KEYS.includes(key));
  const values = given.map(([key, value]) => [key, NUMBERS.has(key) ? toNumber(value) : value]);
  const { options, issues } = readRequestOptions(Object.fromEntries(values), flagOfKey);
  return { request: options, load: readLoadFlags(flags), issues };
}
