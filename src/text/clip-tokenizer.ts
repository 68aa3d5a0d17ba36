import { type AddedToken, AddedTokenSplitter, type KnownToken } from './added-tokens.js';
import { Bpe } from './bpe.js';
import { type BpeTables, buildTables, invalid, parseMerges, quote } from './tables.js';
import { readTokenizerJson } from './tokenizer-json.js';
import { splitWords } from './words.js';

const LONGEST_CONTEXT = 65_536;

/** What the files beside the vocabulary decide about a tokenizer. */
export interface ClipTokenizerConfig {
  /** Length of every result of `ClipTokenizer.encode`, start and end token included; at least 3. */
  readonly contextLength: number;
  readonly bosToken: string;
  readonly eosToken: string;
  /** Fills the context after the end token: `<|endoftext|>` for Stable Diffusion 1.x, `!` for 2.x. */
  readonly padToken: string;
  /** Stands for characters that a small vocabulary lacks. */
  readonly unkToken: string;
  /** Tokens beyond the four above that are matched whole, or other settings for those. */
  readonly addedTokens: readonly AddedToken[];
}

export interface EncodedText {
  /** contextLength ids: start token, text, end token, padding. */
  readonly ids: Int32Array;
  /** How many of the ids are not padding. */
  readonly tokens: number;
  /** The end of the text that did not fit, normalized, from the first word that was cut; null where all of it fits. */
  readonly lost: string | null;
  /** How many words are in `ids` that have a letter or a digit and that the vocabulary can write. */
  readonly known: number;
  /** Words in `ids` with a character that the vocabulary lacks, normalized. */
  readonly unknown: readonly string[];
}

/** CLIP's tokenizer, with the ids that Hugging Face's CLIPTokenizer gives for the same files. Pure; holds no state of a call. */
export class ClipTokenizer {
  readonly contextLength: number;
  readonly bosTokenId: number;
  readonly eosTokenId: number;
  readonly padTokenId: number;
  /** One more than the largest id that `encode` can give. */
  readonly vocabSize: number;
  private readonly unkTokenId: number;
  private readonly bpe: Bpe;
  private readonly splitter: AddedTokenSplitter;

  private constructor(tables: BpeTables, config: ClipTokenizerConfig, source: string) {
    const { contextLength } = config;
    if (!Number.isSafeInteger(contextLength) || contextLength < 3 || contextLength > LONGEST_CONTEXT) {
      throw invalid('context length', `3 to ${LONGEST_CONTEXT} tokens`, quote(contextLength));
    }
    const added = new Map<string, KnownToken>();
    const add = (token: AddedToken, label: string) => {
      const id = token.id ?? tables.vocab.get(token.content);
      if (id === undefined)
        throw invalid(`${source}: ${label} token`, 'a token of the vocabulary', quote(token.content));
      added.set(token.content, { ...token, id });
      return id;
    };
    const special = (label: string, content: string) =>
      added.get(content)?.id ?? add({ content, id: null, normalized: false }, label);
    for (const token of config.addedTokens) add(token, 'added');
    this.contextLength = contextLength;
    this.bosTokenId = special('bos', config.bosToken);
    this.eosTokenId = special('eos', config.eosToken);
    this.padTokenId = special('pad', config.padToken);
    this.unkTokenId = special('unk', config.unkToken);
    this.bpe = new Bpe(tables, this.unkTokenId);
    this.splitter = new AddedTokenSplitter([...added.values()]);
    this.vocabSize = [...added.values()].reduce((size, token) => Math.max(size, token.id + 1), tables.base);
  }

  /**
   * @param files `vocab` the parsed vocab.json, `merges` the text of merges.txt.
   * @throws T2IError MODEL_INVALID
   */
  static fromFiles(
    files: { readonly vocab: unknown; readonly merges: string },
    config: ClipTokenizerConfig,
  ): ClipTokenizer {
    const tables = buildTables(files.vocab, parseMerges(files.merges, 'merges.txt'), 'vocab.json, merges.txt');
    return new ClipTokenizer(tables, config, 'vocab.json');
  }

  /**
   * @param json the parsed tokenizer.json; its own added tokens apply where the config names none of that content.
   * @throws T2IError MODEL_INVALID
   */
  static fromTokenizerJson(json: unknown, config: ClipTokenizerConfig): ClipTokenizer {
    const { tables, addedTokens } = readTokenizerJson(json);
    return new ClipTokenizer(
      tables,
      { ...config, addedTokens: [...addedTokens, ...config.addedTokens] },
      'tokenizer.json',
    );
  }

  /** Token ids of a text, cut to the context length. Time grows with n log n of the text's length, whatever it holds. */
  encode(text: string): EncodedText {
    const room = this.contextLength - 2;
    const body: number[] = [];
    const unknown: string[] = [];
    let known = 0;
    let lost: string | null = null;
    for (const { word, ids, rest } of this.pieces(text)) {
      if (body.length + ids.length > room) {
        body.push(...ids.slice(0, room - body.length));
        lost = rest();
        break;
      }
      body.push(...ids);
      if (ids.includes(this.unkTokenId)) unknown.push(word);
      else if (/[\p{L}\p{N}]/u.test(word)) known++;
    }
    const ids = new Int32Array(this.contextLength).fill(this.padTokenId);
    ids.set([this.bosTokenId, ...body, this.eosTokenId]);
    return { ids, tokens: body.length + 2, lost, known, unknown };
  }

  /** The ids of each word and added token in order, with a function that gives the text from there on. */
  private *pieces(text: string): Generator<{ word: string; ids: number[]; rest: () => string }> {
    const segments = this.splitter.split(text);
    for (const segment of segments) {
      const restFrom = (start: number) => () =>
        segment.text.slice(start) + [...segments].map((later) => later.text).join('');
      if (segment.id !== null) yield { word: segment.text, ids: [segment.id], rest: restFrom(0) };
      else
        for (const { word, start } of splitWords(segment.text))
          yield { word, ids: this.bpe.encodeWord(word), rest: restFrom(start) };
    }
  }
}
