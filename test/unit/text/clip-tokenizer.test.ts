import { describe, expect, it } from 'vitest';
import { ClipTokenizer, type ClipTokenizerConfig } from '../../../src/text/clip-tokenizer.js';
import { clipFiles, END, readGolden, SETTINGS, START } from './clip-vocabulary.js';

const files = clipFiles();
const golden = readGolden();
const make = (settings: Partial<ClipTokenizerConfig> = {}) =>
  ClipTokenizer.fromFiles(files, { ...SETTINGS, ...settings });
const clip = make();
const json = {
  added_tokens: [START, END].map((content) => ({
    id: files.vocab[content],
    content,
    normalized: false,
    special: true,
  })),
  normalizer: { type: 'Sequence', normalizers: [{ type: 'NFC' }, { type: 'Replace' }, { type: 'Lowercase' }] },
  pre_tokenizer: { type: 'Sequence', pretokenizers: [{ type: 'Split' }, { type: 'ByteLevel' }] },
  model: {
    type: 'BPE',
    dropout: null,
    continuing_subword_prefix: '',
    end_of_word_suffix: '</w>',
    vocab: files.vocab,
    merges: files.merges.split('\n').slice(1, -1),
  },
};
/** Ids between start and end. */
const body = (tokenizer: ClipTokenizer, text: string) => {
  const { ids, tokens } = tokenizer.encode(text);
  return Array.from(ids.subarray(1, tokens - 1));
};

describe('ids', () => {
  it('equal those of transformers on every golden string, from both forms of the files', () => {
    expect(golden.plain.length).toBeGreaterThanOrEqual(2000);
    const forms = [
      make({ contextLength: 4096 }),
      ClipTokenizer.fromTokenizerJson(json, { ...SETTINGS, contextLength: 4096 }),
    ];
    for (const tokenizer of forms) {
      const different = golden.plain.filter(([text, ids]) => `${body(tokenizer, text)}` !== `${ids}`);
      expect(different.map(([text]) => text)).toEqual([]);
    }
  });

  it.each(golden.padded)('are cut and padded with $pad as transformers does: $text', ({ pad, text, ids }) => {
    expect(Array.from(make({ padToken: pad }).encode(text).ids)).toEqual(ids);
  });

  it.each([
    ['a photo of a cat', [320, 1125, 539, 320, 2368]],
    ['A diagram, 3 dogs & 2 cats!', [320, 22697, 267, 274, 3255, 261, 273, 3989, 256]],
    ['naïve façade ☕', [1097, 35689, 563, 778, 10067, 1928, 26561]],
    ['日本語 テスト', [39121, 44353, 34002, 508, 2429, 228, 32421, 486]],
    ['red heart ❤️', [736, 1936, 1752]],
    // OpenAI's own clean-up turns HTML entities into characters (261 alone); transformers' tokenizer does not.
    ['  multiple   spaces\n&amp; entities', [6470, 9006, 261, 6259, 282, 38134]],
  ])('of %s are the published ones', (text, ids) => {
    expect(body(clip, text)).toEqual(ids);
  });

  it('count a lone surrogate as the replacement character', () => {
    expect(body(clip, 'a\ud800b')).toEqual(body(clip, 'a\ufffdb'));
  });

  it('stand for the unknown token where a small vocabulary lacks a character', () => {
    const small = {
      vocab: { a: 0, 'b</w>': 1, 'ab</w>': 2, [START]: 3, [END]: 4 },
      merges: '#version: 0.2\na b</w>\n',
    };
    const tokenizer = ClipTokenizer.fromFiles(small, SETTINGS);
    expect(body(tokenizer, 'ab xb')).toEqual([2, 4, 1]);
    expect(tokenizer.encode('AB Xb b x')).toMatchObject({ known: 2, unknown: ['xb', 'x'] });
  });

  it.each([
    ['a red apple', 3],
    ['an apple 🍎!', 2],
    ['7', 1],
    ['日本', 1],
    ['🍎', 0],
    ['?! ...', 0],
    ['', 0],
  ])('of %j have %d words among them', (text, known) => {
    expect(clip.encode(text)).toMatchObject({ known, unknown: [] });
  });
});

describe('added tokens', () => {
  const added = (content: string, normalized: boolean) => make({ addedTokens: [{ content, id: 49408, normalized }] });

  it('are found as written, or in the normalized text', () => {
    expect(body(added('<Cat>', false), 'a<Cat>b')).toEqual([...body(clip, 'a'), 49408, ...body(clip, 'b')]);
    expect(body(added('<Cat>', false), '<cat>')).toEqual(body(clip, '<cat>'));
    expect(body(added('<Cat>', true), '<cAt>')).toEqual([49408]);
  });

  /** A tokenizer with these tokens, ids from 49408 on; those in capitals are found in the text as written. */
  const several = (...contents: string[]) =>
    make({
      addedTokens: contents.map((content, i) => ({ content, id: 49408 + i, normalized: !/[A-Z]/.test(content) })),
    });

  it('take the first in the text before a longer one that begins within it', () => {
    expect(body(several('<a>', '><bcdef>'), '<a><bcdef>')).toEqual([49408, ...body(clip, '<bcdef>')]);
  });

  it('take those as written before a normalized one that begins earlier', () => {
    expect(body(several('<a><b', '<B>'), '<a><B>')).toEqual([...body(clip, '<a>'), 49409]);
    expect(body(several('<a><b', '<B>'), '<a><b>')).toEqual([49408, ...body(clip, '>')]);
  });

  it('are no patterns', () => {
    for (const content of ['a.c', 'a*', '(x)', '[ab]', 'a|b', '^', '$', 'a+', 'a?', '\\d', '{2}', 'a/b']) {
      expect(body(several(content), content), content).toEqual([49408]);
      expect(body(several(content), 'abc 7 xx'), content).toEqual(body(clip, 'abc 7 xx'));
    }
  });

  it('are the settings of the files beside tokenizer.json before its own', () => {
    const own = { ...json, added_tokens: [...json.added_tokens, { id: 49408, content: '<Cat>', normalized: false }] };
    const beside = { content: '<Cat>', id: 49409, normalized: true };
    const make = (addedTokens: (typeof beside)[]) => ClipTokenizer.fromTokenizerJson(own, { ...SETTINGS, addedTokens });
    expect(body(make([]), '<Cat>')).toEqual([49408]);
    expect(body(make([]), '<cat>')).toEqual(body(clip, '<cat>'));
    expect(body(make([beside]), '<cat>')).toEqual([49409]);
  });

  it('are none where there are none: no text is one by its name', () => {
    for (const text of ['null', 'a null', 'undefined']) {
      expect(body(clip, text), text).toEqual(body(several('<cat>'), text));
    }
  });

  it('stand alone, side by side, or at either end', () => {
    const [a, b] = [49408, 49409];
    const own = several('<A>', '<b>');
    expect(body(own, '<A>')).toEqual([a]);
    expect(body(own, '<b><A><b>')).toEqual([b, a, b]);
    expect(body(own, 'x<A>')).toEqual([...body(clip, 'x'), a]);
    expect(body(own, '<b>x')).toEqual([b, ...body(clip, 'x')]);
  });

  it('are no empty text', () => {
    expect(body(several('', '<cat>'), 'a<cat>b')).toEqual([...body(clip, 'a'), 49409, ...body(clip, 'b')]);
  });

  it('may be tokens of the vocabulary, whose ids they then have', () => {
    const own = make({ addedTokens: [{ content: 'cat</w>', id: null, normalized: false }] });
    expect(body(own, 'a cat</w>')).toEqual(body(clip, 'a cat'));
    expect(own.vocabSize).toBe(clip.vocabSize);
  });

  it('take the longest of two that begin alike', () => {
    const tokens = ['<a>', '<a><b>'].map((content, i) => ({ content, id: 49408 + i, normalized: false }));
    expect(body(make({ addedTokens: tokens }), '<a><b><a>')).toEqual([49409, 49408]);
    expect(make({ addedTokens: tokens }).vocabSize).toBe(49410);
  });
});

describe('the tables', () => {
  it('may have the line ends of Windows', () => {
    const crlf = { ...files, merges: files.merges.replaceAll('\n', '\r\n') };
    const text = 'a photo of a cat';
    expect(body(ClipTokenizer.fromFiles(crlf, SETTINGS), text)).toEqual(body(clip, text));
  });

  it.each(['#version: 0.2\na b</w>\n', '#version: 0.2\r\na b</w>\r\n', 'a b</w>', '\na b</w>\n\n'])(
    'have the merge of %j',
    (merges) => {
      const vocab = { a: 0, 'b</w>': 1, 'ab</w>': 2, [START]: 3, [END]: 4 };
      expect(body(ClipTokenizer.fromFiles({ vocab, merges }, SETTINGS), 'ab')).toEqual([2]);
    },
  );

  it('have a header in the first line alone', () => {
    const vocab = { '#version': 0, 'x</w>': 1, '#versionx</w>': 2, [START]: 3, [END]: 4 };
    const second = () => ClipTokenizer.fromFiles({ vocab, merges: '#version: 0.2\n#version: 0.2\n' }, SETTINGS);
    expect(second).toThrow(/merge 1.*"#version: 0\.2"/);
  });
});

describe('a text beyond the context', () => {
  const five = make({ contextLength: 5 });

  it('is cut, and the words that were lost are given', () => {
    const cut = five.encode('Red  apple on a   BLUE table');
    expect(Array.from(cut.ids)).toEqual([49406, ...body(clip, 'red apple on'), 49407]);
    expect(cut).toMatchObject({ tokens: 5, lost: 'a blue table' });
  });

  it('loses a word of which one token is cut, added tokens too', () => {
    expect(five.encode('a b supercalifragilistic x').lost).toBe('supercalifragilistic x');
    expect(five.encode(`a b c ${END} Tail`).lost).toBe(`${END} tail`);
  });

  it('loses nothing where it fits to the last token', () => {
    expect(five.encode('a b c')).toMatchObject({ tokens: 5, lost: null });
    expect(five.encode('')).toMatchObject({ tokens: 2, lost: null });
  });
});

describe('a hostile text', () => {
  it.each([
    ['words', 'hello '.repeat(170_000)],
    ['one word', 'abcdefghij'.repeat(10_000)],
    ['white space', ' \t'.repeat(500_000)],
    ['punctuation', '!?'.repeat(500_000)],
    ['marks out of order', `a${'\u0315\u0316'.repeat(500_000)}`],
    ['marks just short of a run', `a${'\u0315\u0316'.repeat(32)}`.repeat(15_000)],
    ['special tokens', END.repeat(80_000)],
    ['apostrophes', "'".repeat(1_000_000)],
  ])('of a megabyte of %s takes time in proportion to its length', (_, text) => {
    /** Of the processor, milliseconds: the load of the machine counts less than on the clock. */
    const cost = (length: number) => {
      const start = process.cpuUsage();
      expect(clip.encode(text.slice(0, length)).ids).toHaveLength(77);
      return process.cpuUsage(start).user / 1000;
    };
    cost(text.length / 100); // The first time it is compiled.
    const hundredth = cost(text.length / 100);
    // A hundred times as long where time grows with the square. What takes no time says nothing.
    expect(cost(text.length / 10)).toBeLessThan(40 * Math.max(hundredth, 10));
    expect(clip.encode(text).ids).toHaveLength(77);
  });
});

describe('damaged files', () => {
  const refused = (run: () => unknown) => {
    try {
      run();
    } catch (error) {
      return error;
    }
    return null;
  };

  it.each<[string, unknown, string, RegExp]>([
    ['a vocabulary that is a list', [], '', /vocab\.json.*object of token to id/],
    ['an id that is no whole number', { ...files.vocab, a: 1.5 }, '', /token "a".*1\.5/],
    ['a negative id', { ...files.vocab, a: -1 }, '', /token "a".*-1/],
    ['no end token', { ...files.vocab, [END]: undefined }, '', /endoftext/],
    ['a merge of one token', files.vocab, 'ab\n', /line 1.*"ab"/],
    ['a merge of three tokens', files.vocab, '#version: 0.2\na b c\n', /line 2.*"a b c"/],
    ['a merge of unknown tokens', files.vocab, 'zq qz\n', /merge 1.*"zq qz"/],
  ])('are refused: %s', (_, vocab, merges, message) => {
    const error = refused(() => ClipTokenizer.fromFiles({ vocab, merges }, SETTINGS));
    expect(error).toMatchObject({ code: 'MODEL_INVALID', message: expect.stringMatching(message) });
  });

  it.each<[string, unknown, RegExp]>([
    ['no object', null, /tokenizer\.json.*object/],
    ['another model', { ...json, model: { ...json.model, type: 'WordPiece' } }, /model\.type.*WordPiece/],
    ['another suffix', { ...json, model: { ...json.model, end_of_word_suffix: null } }, /end_of_word_suffix.*null/],
    ['another normalizer', { ...json, normalizer: { type: 'NFKC' } }, /normalizer.*NFKC/],
    ['other words', { ...json, pre_tokenizer: { type: 'Whitespace' } }, /pre_tokenizer.*Whitespace/],
    ['merges that are no list', { ...json, model: { ...json.model, merges: 'a b' } }, /model\.merges.*list/],
    ['a merge of one', { ...json, model: { ...json.model, merges: [['a']] } }, /merge 1/],
    ['a token that swallows spaces', { ...json, added_tokens: [{ id: 1, content: 'x', lstrip: true }] }, /lstrip/],
    ['one that swallows those behind', { ...json, added_tokens: [{ id: 1, content: 'x', rstrip: true }] }, /rstrip/],
    ['one of whole words', { ...json, added_tokens: [{ id: 1, content: 'x', single_word: true }] }, /single_word/],
    ['a flag that is none', { ...json, added_tokens: [{ id: 1, content: 'x', normalized: 1 }] }, /flags/],
    ['a negative id', { ...json, added_tokens: [{ id: -1, content: 'x' }] }, /with an id/],
    ['another prefix', { ...json, model: { ...json.model, continuing_subword_prefix: '##' } }, /prefix.*##/],
    ['bytes for what it lacks', { ...json, model: { ...json.model, byte_fallback: true } }, /byte_fallback/],
    ['merges passed over', { ...json, model: { ...json.model, ignore_merges: true } }, /ignore_merges/],
    ['unknown characters as one', { ...json, model: { ...json.model, fuse_unk: true } }, /fuse_unk/],
    [
      'steps in another order',
      { ...json, pre_tokenizer: { pretokenizers: [{ type: 'ByteLevel' }, { type: 'Split' }] } },
      /Split/,
    ],
    ['a token without an id', { ...json, added_tokens: [{ content: 'x' }] }, /added token/],
  ])('are refused: a tokenizer.json with %s', (_, value, message) => {
    const error = refused(() => ClipTokenizer.fromTokenizerJson(value, SETTINGS));
    expect(error).toMatchObject({ code: 'MODEL_INVALID', message: expect.stringMatching(message) });
  });

  it.each([0, 2, 2.5, Number.NaN, 65_537, 1e12])('are refused: a context of %s tokens', (contextLength) => {
    expect(refused(() => make({ contextLength }))).toMatchObject({
      code: 'MODEL_INVALID',
      issues: [{ option: 'context length', received: String(contextLength) }],
    });
  });

  it.each([3, 65_536])('are not refused for a context of %s tokens', (contextLength) => {
    expect(make({ contextLength }).encode('a').ids).toHaveLength(contextLength);
  });

  it.each(['bos', 'eos', 'pad', 'unk'])('are refused: %s that the vocabulary lacks', (label) => {
    expect(refused(() => make({ [`${label}Token`]: '<none>' }))).toMatchObject({
      code: 'MODEL_INVALID',
      issues: [{ option: `vocab.json: ${label} token`, received: '"<none>"' }],
    });
  });
});
