import { describeIssues, type Issue, T2IError } from '../errors.js';

/** More than any CLIP vocabulary by far; keeps pair keys exact integers. */
const LARGEST_ID = 2 ** 24;

/** A vocabulary and its merges, checked, in the form that {@link Bpe} reads. */
export interface BpeTables {
  readonly vocab: ReadonlyMap<string, number>;
  /** Rank of a pair of token ids, by `left * base + right`; the lowest rank is merged first. */
  readonly ranks: ReadonlyMap<number, number>;
  /** Id of the token that the merge of this rank makes. */
  readonly mergedIds: Int32Array;
  readonly base: number;
}

/**
 * Builds the tables from a vocabulary (an object of token to id, ids whole numbers from 0) and its merges in order.
 * @param source name of the file, for the message.
 * @throws T2IError MODEL_INVALID
 */
export function buildTables(
  vocabJson: unknown,
  merges: readonly (readonly [string, string])[],
  source: string,
): BpeTables {
  const vocab = readVocab(vocabJson, source);
  let base = 1;
  for (const id of vocab.values()) base = Math.max(base, id + 1);
  const ranks = new Map<number, number>();
  const mergedIds = new Int32Array(merges.length);
  merges.forEach(([left, right], rank) => {
    const [leftId, rightId, mergedId] = [vocab.get(left), vocab.get(right), vocab.get(left + right)];
    if (leftId === undefined || rightId === undefined || mergedId === undefined) {
      throw invalid(`${source}: merge ${rank + 1}`, 'tokens of the vocabulary', quote(`${left} ${right}`));
    }
    ranks.set(leftId * base + rightId, rank);
    mergedIds[rank] = mergedId;
  });
  return { vocab, ranks, mergedIds, base };
}

/** Reads `merges.txt`: one merge a line, two tokens with a space between; the first line may be a `#version` header. */
export function parseMerges(text: string, source: string): [string, string][] {
  const merges: [string, string][] = [];
  text.split(/\r?\n/).forEach((line, index) => {
    if (line === '' || (index === 0 && line.startsWith('#version'))) return;
    merges.push(splitMerge(line, `${source}: line ${index + 1}`));
  });
  return merges;
}

/** The two tokens of one merge, "left right". @throws T2IError MODEL_INVALID */
export function splitMerge(line: string, source: string): [string, string] {
  const [left, right, ...rest] = line.split(' ');
  if (!left || !right || rest.length > 0) throw invalid(source, 'two tokens with a space between', quote(line));
  return [left, right];
}

/** A MODEL_INVALID error about a file of the tokenizer. */
export function invalid(option: string, expected: string, received: string): T2IError {
  const issues: Issue[] = [{ option, expected, received }];
  return new T2IError('MODEL_INVALID', `The tokenizer of the model cannot be used: ${describeIssues(issues)}.`, {
    hint: 'Export or download the tokenizer again.',
    issues,
  });
}

function readVocab(json: unknown, source: string): Map<string, number> {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    throw invalid(source, 'a vocabulary: an object of token to id', quote(json));
  }
  const vocab = new Map<string, number>();
  for (const [token, id] of Object.entries(json)) {
    if (!Number.isSafeInteger(id) || id < 0 || id > LARGEST_ID) {
      throw invalid(`${source}: token ${quote(token)}`, `an id from 0 to ${LARGEST_ID}`, quote(id));
    }
    vocab.set(token, id);
  }
  return vocab;
}

/** A value as an error message shows it: short, and never walked through, since files are hostile and nest at will. */
export function quote(value: unknown): string {
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value === 'object' && value !== null) return 'an object';
  const text = typeof value === 'string' ? JSON.stringify(value.slice(0, 80)) : String(value);
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}
