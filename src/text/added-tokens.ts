import { normalize } from './words.js';

/** A token that is found in the text as a whole, before words are split, and never merged. */
export interface AddedToken {
  readonly content: string;
  /** Null where the vocabulary gives it. */
  readonly id: number | null;
  /** Looked for in the normalized text (lower case) instead of the text as written. */
  readonly normalized: boolean;
}

/** An added token whose id is known. */
export type KnownToken = AddedToken & { readonly id: number };

/** A stretch of text, which may be empty, or an added token in its place. */
export type Segment = { readonly text: string; readonly id: number | null };

/**
 * Splits a text at added tokens: those matched as written first, then, in each remaining stretch once it is normalized,
 * the others. Leftmost first, the longest of several. The order is that of `AddedVocabulary` in Hugging Face's tokenizers.
 * Stretches come out normalized, in order, one at a time: a caller that has enough stops asking.
 */
export class AddedTokenSplitter {
  private readonly asWritten: Matcher;
  private readonly inNormalized: Matcher;

  constructor(tokens: readonly KnownToken[]) {
    this.asWritten = new Matcher(tokens.filter((token) => !token.normalized));
    this.inNormalized = new Matcher(
      tokens.filter((token) => token.normalized).map((token) => ({ ...token, content: normalize(token.content) })),
    );
  }

  *split(text: string): Generator<Segment> {
    for (const segment of this.asWritten.split(text)) {
      if (segment.id !== null) yield segment;
      else yield* this.inNormalized.split(normalize(segment.text));
    }
  }
}

class Matcher {
  private readonly ids: ReadonlyMap<string, number>;
  private readonly pattern: RegExp | null;

  constructor(tokens: readonly KnownToken[]) {
    const filled = tokens.filter((token) => token.content !== '');
    this.ids = new Map(filled.map((token) => [token.content, token.id]));
    const longestFirst = [...this.ids.keys()].sort((a, b) => b.length - a.length);
    this.pattern = longestFirst.length === 0 ? null : new RegExp(longestFirst.map(escapeRegExp).join('|'), 'gu');
  }

  *split(text: string): Generator<Segment> {
    let start = 0;
    for (const match of this.pattern === null ? [] : text.matchAll(this.pattern)) {
      yield { text: text.slice(start, match.index), id: null };
      yield { text: match[0], id: this.ids.get(match[0]) as number };
      start = match.index + match[0].length;
    }
    yield { text: text.slice(start), id: null };
  }
}

function escapeRegExp(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
}
