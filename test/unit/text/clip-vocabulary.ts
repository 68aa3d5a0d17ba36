import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import type { ClipTokenizerConfig } from '../../../src/text/clip-tokenizer.js';

const folder = new URL('../../fixtures/tokenizer/', import.meta.url);

export const START = '<|startoftext|>';
export const END = '<|endoftext|>';
export const SETTINGS: ClipTokenizerConfig = {
  contextLength: 77,
  bosToken: START,
  eosToken: END,
  padToken: END,
  unkToken: END,
  addedTokens: [],
};

/** CLIP's own merges and the vocabulary they make, in the order of `trainer/make_tokenizer.py`. */
export function clipFiles(): { vocab: Record<string, number>; merges: string } {
  const merges = gunzipSync(readFileSync(new URL('merges.txt.gz', folder))).toString('utf8');
  const joined = merges
    .split('\n')
    .slice(1)
    .filter((line) => line !== '')
    .map((line) => line.replace(' ', ''));
  const printable = [...range(33, 127), ...range(161, 173), ...range(174, 256)];
  const bytes = [...printable, ...range(256, 256 + 256 - printable.length)].map((code) => String.fromCharCode(code));
  const tokens = [...bytes, ...bytes.map((byte) => `${byte}</w>`), ...joined, START, END];
  return { vocab: Object.fromEntries(tokens.map((token, id) => [token, id])), merges };
}

export interface Golden {
  readonly plain: readonly (readonly [text: string, ids: readonly number[]])[];
  readonly padded: readonly { readonly pad: string; readonly text: string; readonly ids: readonly number[] }[];
}

export function readGolden(): Golden {
  return JSON.parse(readFileSync(new URL('golden.json', folder), 'utf8')) as Golden;
}

function range(start: number, end: number): number[] {
  return Array.from({ length: end - start }, (_, i) => start + i);
}
