import { describe, expect, it } from 'vitest';
import { buildTables, parseMerges, quote } from '../../../src/text/tables.js';
import { readAddedToken, readTokenizerJson } from '../../../src/text/tokenizer-json.js';

/** The smallest file that describes CLIP's tokenizer. */
const JSON_FILE = {
  normalizer: { normalizers: [{ type: 'NFC' }, { type: 'Replace' }, { type: 'Lowercase' }] },
  pre_tokenizer: { pretokenizers: [{ type: 'Split' }, { type: 'ByteLevel' }] },
  model: { end_of_word_suffix: '</w>', vocab: { a: 0, 'b</w>': 1, 'ab</w>': 2 }, merges: ['a b</w>'] as unknown[] },
};
const withModel = (fields: object) => ({ ...JSON_FILE, model: { ...JSON_FILE.model, ...fields } });
const refused = (option: string, expected: string, received: string) =>
  expect.objectContaining({
    code: 'MODEL_INVALID',
    issues: [{ option, expected, received }],
    hint: expect.stringContaining('tokenizer'),
  });

describe('a tokenizer.json', () => {
  it('may leave out what CLIP has anyway', () => {
    const { tables, ...rest } = readTokenizerJson(JSON_FILE);
    expect(rest).toEqual({ addedTokens: [], padToken: null, maxLength: null });
    expect([...tables.ranks.values()]).toEqual([0]);
    expect([...tables.mergedIds]).toEqual([2]);
  });

  it('gives the token that pads and the length that is kept, where it sets them', () => {
    const set = { ...JSON_FILE, padding: { pad_token: '!' }, truncation: { max_length: 77 } };
    expect(readTokenizerJson(set)).toMatchObject({ padToken: '!', maxLength: 77 });
    const unset = { ...JSON_FILE, padding: { pad_token: 7 }, truncation: { max_length: '77' } };
    expect(readTokenizerJson(unset)).toMatchObject({ padToken: null, maxLength: null });
    expect(readTokenizerJson({ ...JSON_FILE, padding: null, truncation: null })).toMatchObject({ padToken: null });
  });

  it('may write a merge as a text or as a list', () => {
    const { tables } = readTokenizerJson(withModel({ merges: [['a', 'b</w>']] }));
    expect(tables).toEqual(readTokenizerJson(JSON_FILE).tables);
  });

  it.each<[string, unknown, string, string, string]>([
    ['a list', [], 'tokenizer.json', 'an object', 'a list of 0'],
    ['a text', 'x', 'tokenizer.json', 'an object', '"x"'],
    ['no model', { ...JSON_FILE, model: null }, 'model', 'an object', 'null'],
    ['padding that is a text', { ...JSON_FILE, padding: 'x' }, 'padding', 'an object', '"x"'],
    ['truncation that is a list', { ...JSON_FILE, truncation: [1] }, 'truncation', 'an object', 'a list of 1'],
    [
      'a step that is a text',
      { ...JSON_FILE, normalizer: { normalizers: ['NFC'] } },
      'normalizers',
      'an object',
      '"NFC"',
    ],
    ['steps that are no list', { ...JSON_FILE, normalizer: { normalizers: {} } }, 'normalizers', 'a list', 'an object'],
    ['added tokens that are no list', { ...JSON_FILE, added_tokens: {} }, 'added_tokens', 'a list', 'an object'],
    ['a merge that is a number', withModel({ merges: ['a b</w>', 7] }), 'merge 2', 'two tokens', '7'],
    ['a merge of three', withModel({ merges: [['a', 'b', 'c']] }), 'merge 1', 'two tokens', 'a list of 3'],
    ['a number on the left', withModel({ merges: [[1, 'a']] }), 'merge 1', 'two tokens', 'a list of 2'],
    ['a number on the right', withModel({ merges: [['a', 1]] }), 'merge 1', 'two tokens', 'a list of 2'],
  ])('is refused with %s', (_, json, option, expected, received) => {
    const place = option === 'tokenizer.json' ? 'tokenizer.json: tokenizer.json' : `tokenizer.json: ${option}`;
    expect(() => readTokenizerJson(json)).toThrow(refused(place, expected, received));
  });
});

describe('an added token', () => {
  it('has id 0 at least, and is looked for as written unless it says otherwise', () => {
    expect(readAddedToken({ id: 0, content: 'x' }, 'file')).toEqual({ id: 0, content: 'x', normalized: false });
    expect(readAddedToken({ content: 'x', normalized: true, lstrip: false }, 'file', 3)).toEqual({
      id: 3,
      content: 'x',
      normalized: true,
    });
  });

  it.each([{ id: 1 }, { id: 1, content: 7 }, { id: 1.5, content: 'x' }, { id: '1', content: 'x' }])(
    'is refused: %j',
    (token) => {
      const flags = 'an added token with an id, a content and flags';
      expect(() => readAddedToken(token, 'file')).toThrow(refused('file', flags, 'an object'));
    },
  );

  it.each([null, 'x', []])('is an object: %j', (token) => {
    expect(() => readAddedToken(token, 'file', 3)).toThrow(expect.objectContaining({ code: 'MODEL_INVALID' }));
  });
});

describe('the vocabulary', () => {
  it('may have ids from 0 to 2^24', () => {
    const { vocab, base } = buildTables({ a: 0, b: 2 ** 24, c: 5 }, [], 'file');
    expect([Object.fromEntries(vocab), base]).toEqual([{ a: 0, b: 2 ** 24, c: 5 }, 2 ** 24 + 1]);
    const expected = 'an id from 0 to 16777216';
    expect(() => buildTables({ a: 2 ** 24 + 1 }, [], 'file')).toThrow(refused('file: token "a"', expected, '16777217'));
  });

  it.each([
    [null, 'null'],
    ['abc', '"abc"'],
    [[], 'a list of 0'],
  ])('is an object: %j is refused', (vocab, received) => {
    expect(() => buildTables(vocab, [], 'file')).toThrow(
      refused('file', 'a vocabulary: an object of token to id', received),
    );
  });

  it.each([
    ['the left', { b: 1, ab: 2 }],
    ['the right', { a: 0, ab: 2 }],
    ['the merged', { a: 0, b: 1 }],
  ])('holds all three tokens of a merge: %s is not left out', (_, vocab) => {
    expect(() => buildTables(vocab, [['a', 'b']], 'file')).toThrow(
      refused('file: merge 1', 'tokens of the vocabulary', '"a b"'),
    );
  });
});

describe('a line of merges.txt', () => {
  it.each([' b', 'a ', ' ', 'a  b', 'a b '])('has two tokens with a space between: %j is refused', (line) => {
    expect(() => parseMerges(`a b\n${line}\n`, 'file')).toThrow(
      refused('file: line 2', 'two tokens with a space between', JSON.stringify(line)),
    );
  });
});

describe('a value in a message', () => {
  it.each([
    [[1, 2], 'a list of 2'],
    [{ a: 1 }, 'an object'],
    [null, 'null'],
    [undefined, 'undefined'],
    [1.5, '1.5'],
    ['a'.repeat(58), `"${'a'.repeat(58)}"`],
    ['a'.repeat(59), `"${'a'.repeat(56)}...`],
    ['\u0001'.repeat(1_000_000), `"${'\\u0001'.repeat(9)}\\u...`],
  ])('is short: %#', (value, shown) => {
    expect(quote(value)).toBe(shown);
  });
});
