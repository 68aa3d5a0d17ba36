import type { AddedToken } from './added-tokens.js';
import { type BpeTables, buildTables, invalid, quote, splitMerge } from './tables.js';

const SOURCE = 'tokenizer.json';

/** What a tokenizer.json of Hugging Face's tokenizers holds, once it is known to describe CLIP's tokenizer. */
export interface TokenizerJson {
  readonly tables: BpeTables;
  readonly addedTokens: readonly AddedToken[];
  /** `padding.pad_token` and `truncation.max_length`, where the file sets them. */
  readonly padToken: string | null;
  readonly maxLength: number | null;
}

/**
 * Checks and reads a parsed tokenizer.json. A file whose steps differ from CLIP's is refused: its ids would be wrong.
 * @throws T2IError MODEL_INVALID
 */
export function readTokenizerJson(json: unknown): TokenizerJson {
  const file = record(json, SOURCE);
  const model = record(file.model, 'model');
  expectClip('model.type', model.type ?? 'BPE', ['BPE']);
  expectClip('model.end_of_word_suffix', model.end_of_word_suffix, ['</w>']);
  expectClip('model.continuing_subword_prefix', model.continuing_subword_prefix ?? '', ['']);
  for (const flag of ['byte_fallback', 'ignore_merges', 'fuse_unk'])
    expectClip(`model.${flag}`, model[flag] ?? false, [false]);
  expectClip('normalizer', stepTypes(file.normalizer, 'normalizers'), ['NFC,Replace,Lowercase']);
  expectClip('pre_tokenizer', stepTypes(file.pre_tokenizer, 'pretokenizers'), ['Split,ByteLevel']);
  const merges = list(model.merges, 'model.merges').map((merge, rank) => readMerge(merge, rank));
  const padding = file.padding == null ? {} : record(file.padding, 'padding');
  const truncation = file.truncation == null ? {} : record(file.truncation, 'truncation');
  return {
    tables: buildTables(model.vocab, merges, SOURCE),
    addedTokens: list(file.added_tokens ?? [], 'added_tokens').map((token) => readAddedToken(token, SOURCE)),
    padToken: typeof padding.pad_token === 'string' ? padding.pad_token : null,
    maxLength: typeof truncation.max_length === 'number' ? truncation.max_length : null,
  };
}

/**
 * Reads one added token as tokenizer.json and `added_tokens_decoder` write it.
 * @throws T2IError MODEL_INVALID, also where it asks to swallow spaces or to match whole words only, which CLIP's never do.
 */
export function readAddedToken(value: unknown, source: string, id: unknown = record(value, source).id): AddedToken {
  const token = record(value, 'added token');
  const { content, normalized = false } = token;
  if (
    typeof content !== 'string' ||
    typeof normalized !== 'boolean' ||
    !Number.isSafeInteger(id) ||
    (id as number) < 0
  ) {
    throw invalid(source, 'an added token with an id, a content and flags', quote(value));
  }
  for (const flag of ['lstrip', 'rstrip', 'single_word']) {
    if (token[flag])
      throw invalid(`${source}: added token ${quote(content)}`, `${flag} off, as in CLIP's tokenizer`, 'on');
  }
  return { content, id: id as number, normalized };
}

function readMerge(merge: unknown, rank: number): [string, string] {
  const source = `${SOURCE}: merge ${rank + 1}`;
  if (typeof merge === 'string') return splitMerge(merge, source);
  const [left, right, ...rest] = Array.isArray(merge) ? merge : [];
  if (typeof left !== 'string' || typeof right !== 'string' || rest.length > 0) {
    throw invalid(source, 'two tokens', quote(merge));
  }
  return [left, right];
}

/** The types of a pipeline's steps, in order, joined by commas. */
function stepTypes(value: unknown, key: string): string {
  const step = record(value, key);
  return list(step[key] ?? [step], key)
    .map((inner) => String(record(inner, key).type))
    .join();
}

function expectClip(field: string, value: unknown, allowed: readonly unknown[]): void {
  if (!allowed.includes(value))
    throw invalid(`${SOURCE}: ${field}`, `${quote(allowed[0])} as in CLIP's tokenizer`, quote(value));
}

function record(value: unknown, field: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw invalid(`${SOURCE}: ${field}`, 'an object', quote(value));
  return value as Record<string, unknown>;
}

function list(value: unknown, field: string): readonly unknown[] {
  if (!Array.isArray(value)) throw invalid(`${SOURCE}: ${field}`, 'a list', quote(value));
  return value;
}
