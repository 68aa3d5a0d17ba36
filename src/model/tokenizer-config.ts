import { describeValue } from '../fields.js';
import type { AddedToken } from '../text/added-tokens.js';
import type { ClipTokenizerConfig } from '../text/clip-tokenizer.js';
import { readAddedToken } from '../text/tokenizer-json.js';
import type { ModelFiles } from './model-files.js';
import { invalidModel } from './problems.js';

const START = '<|startoftext|>';
const END = '<|endoftext|>';
/** transformers writes 1e30 for "no limit". */
const NO_LIMIT = 65_536;

/** The settings of a tokenizer as its files have them; null where none of them says how long the context is. */
export type TokenizerSettings = Omit<ClipTokenizerConfig, 'contextLength'> & { readonly contextLength: number | null };

/** What tokenizer.json says of padding and cutting, used where the files beside it say nothing. */
export interface JsonDefaults {
  readonly padToken: string | null;
  readonly maxLength: number | null;
}

/**
 * Reads tokenizer_config.json, special_tokens_map.json and added_tokens.json in tokenizer/, each of which may be missing.
 * Which wins is as in `from_pretrained` of transformers 5: special_tokens_map.json over tokenizer_config.json, unless that
 * holds an `added_tokens_decoder`, which makes the two other files void.
 * @throws T2IError MODEL_INVALID
 */
export async function readTokenizerSettings(files: ModelFiles, json: JsonDefaults): Promise<TokenizerSettings> {
  const config = await optional(files, 'tokenizer/tokenizer_config.json');
  const decoder = config.added_tokens_decoder;
  const legacy = decoder === undefined;
  const map = legacy ? await optional(files, 'tokenizer/special_tokens_map.json') : {};
  const added = legacy ? await optional(files, 'tokenizer/added_tokens.json') : {};
  const fields = { ...config, ...map };
  const tokens: AddedToken[] = [];
  if (!legacy) {
    for (const [id, token] of Object.entries(
      record(decoder, 'tokenizer/tokenizer_config.json: added_tokens_decoder'),
    )) {
      tokens.push(readAddedToken(token, 'tokenizer_config.json', Number(id)));
    }
  }
  for (const [content, id] of Object.entries(added)) {
    tokens.push(readAddedToken({ content, normalized: true }, 'added_tokens.json', id));
  }
  const known = new Set(tokens.map((token) => token.content));
  const role = (field: string, fallback: string) => {
    const value = fields[field] ?? fallback;
    if (typeof value === 'string') return value;
    const { content, normalized = false } = record(value, `tokenizer/: ${field}`);
    if (typeof content !== 'string' || typeof normalized !== 'boolean') {
      throw invalidModel(`tokenizer/: ${field}`, 'a token, or an object with its content', describeValue(value));
    }
    if (!known.has(content)) tokens.push({ content, id: null, normalized });
    return content;
  };
  return {
    bosToken: role('bos_token', START),
    eosToken: role('eos_token', END),
    unkToken: role('unk_token', END),
    padToken: role('pad_token', json.padToken ?? END),
    addedTokens: tokens,
    contextLength: lengthOf(fields.model_max_length) ?? lengthOf(json.maxLength),
  };
}

function lengthOf(value: unknown): number | null {
  return typeof value === 'number' && value <= NO_LIMIT ? value : null;
}

async function optional(files: ModelFiles, path: string): Promise<Record<string, unknown>> {
  return (await files.has(path)) ? record(await files.json(path), path) : {};
}

function record(value: unknown, label: string): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw invalidModel(label, 'a JSON object', describeValue(value));
}
