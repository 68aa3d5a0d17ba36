import { describe, expect, it } from 'vitest';
import { describeModel } from '../../../src/model/layout.js';
import { refusal, writeModel } from './model-dir.js';
import { FLOAT, INT64, input, model, output } from './onnx-writer.js';

const END = '<|endoftext|>';

describe('the tokenizer’s settings', () => {
  const settings = async (files: Record<string, unknown>) => {
    const changes = Object.entries(files).map(([name, json]) => [`tokenizer/${name}`, JSON.stringify(json)] as const);
    return (
      await describeModel(writeModel({ 'tokenizer/tokenizer_config.json': null, ...Object.fromEntries(changes) }))
    ).tokenizer;
  };
  const token = (content: string, normalized: boolean) => ({
    content,
    normalized,
    lstrip: false,
    rstrip: false,
    single_word: false,
  });

  it('come from transformers’ defaults and the graph where no file says them', async () => {
    expect(await settings({})).toMatchObject({ padTokenId: 7, contextLength: 16 });
    expect(await settings({ 'tokenizer_config.json': { model_max_length: 1e30 } })).toMatchObject({
      contextLength: 16,
    });
  });

  it('come from special_tokens_map.json before tokenizer_config.json, unless that has its own list of added tokens', async () => {
    const map = { pad_token: token('!', true) };
    expect(
      await settings({ 'tokenizer_config.json': { pad_token: END }, 'special_tokens_map.json': map }),
    ).toMatchObject({
      padTokenId: 5,
      config: { addedTokens: [{ content: '!', id: null, normalized: true }] },
    });
    const config = { pad_token: END, added_tokens_decoder: { 7: token(END, false) } };
    expect(await settings({ 'tokenizer_config.json': config, 'special_tokens_map.json': map })).toMatchObject({
      padTokenId: 7,
    });
  });

  it('name each token of the four, by its text or by an object', async () => {
    const roles = { bos_token: '!', eos_token: token('a', false), unk_token: 'b', pad_token: '<|startoftext|>' };
    expect((await settings({ 'tokenizer_config.json': roles })).config).toMatchObject({
      bosToken: '!',
      eosToken: 'a',
      unkToken: 'b',
      padToken: '<|startoftext|>',
    });
    expect((await settings({})).config).toMatchObject({
      bosToken: '<|startoftext|>',
      eosToken: END,
      unkToken: END,
      padToken: END,
    });
  });

  it('hold a token that is given as an object once, as the file of added tokens has it where there is one', async () => {
    const config = { pad_token: { content: '!' } };
    const alone = await settings({ 'tokenizer_config.json': config });
    expect(alone.config.addedTokens).toEqual([{ content: '!', id: null, normalized: false }]);
    const beside = await settings({ 'tokenizer_config.json': config, 'added_tokens.json': { '!': 5 } });
    expect(beside.config.addedTokens).toEqual([{ content: '!', id: 5, normalized: true }]);
  });

  it.each(['null', '5', '"text"', '[]'])('are a JSON object, and not %s', async (text) => {
    expect(await refusal(writeModel({ 'tokenizer/tokenizer_config.json': text }))).toMatch(
      /tokenizer_config\.json.*a JSON object/,
    );
  });

  it('refuse an added token that swallows spaces, or a map that is a list', async () => {
    const refused = (config: object) =>
      refusal(writeModel({ 'tokenizer/tokenizer_config.json': JSON.stringify(config) }));
    const swallows = { 8: { ...token('<cat>', false), rstrip: true } };
    expect(await refused({ added_tokens_decoder: swallows })).toMatch(/"<cat>".*rstrip off/);
    expect(await refused({ added_tokens_decoder: [] })).toMatch(/added_tokens_decoder.*a JSON object/);
    expect(await refused({ pad_token: { content: 5 } })).toMatch(/pad_token/);
    expect(await refused({ pad_token: { content: '!', normalized: 'yes' } })).toMatch(/pad_token/);
  });

  it('of tokenizer.json count where the files beside it say nothing', async () => {
    const vocab = { a: 0, '!': 1, '<|startoftext|>': 2, [END]: 3 };
    const json = {
      truncation: { max_length: 16 },
      padding: { pad_token: '!' },
      normalizer: { type: 'Sequence', normalizers: [{ type: 'NFC' }, { type: 'Replace' }, { type: 'Lowercase' }] },
      pre_tokenizer: { type: 'Sequence', pretokenizers: [{ type: 'Split' }, { type: 'ByteLevel' }] },
      model: { type: 'BPE', end_of_word_suffix: '</w>', vocab, merges: [] },
    };
    const graph = {
      'text_encoder/model.onnx': model([
        input('input_ids', INT64, ['batch', 'tokens']),
        output('last_hidden_state', FLOAT, ['batch', 16, 32]),
      ]),
    };
    const described = async (config: object | null) =>
      (
        await describeModel(
          writeModel({
            ...graph,
            'tokenizer/tokenizer.json': JSON.stringify(json),
            'tokenizer/tokenizer_config.json': config && JSON.stringify(config),
          }),
        )
      ).tokenizer;
    expect(await described(null)).toMatchObject({ kind: 'json', padTokenId: 1, contextLength: 16 });
    expect(await described({ pad_token: 'a', model_max_length: 20 })).toMatchObject({
      padTokenId: 0,
      contextLength: 20,
    });
    expect(await described({ model_max_length: 1e30 })).toMatchObject({ contextLength: 16 });
    expect(await described({ model_max_length: '20' })).toMatchObject({ contextLength: 16 });
    expect(await described({ model_max_length: 65_536 })).toMatchObject({ contextLength: 65_536 });
  });

  it('hold the tokens of added_tokens.json', async () => {
    const { config } = await settings({ 'added_tokens.json': { '<cat>': 8 } });
    expect(config.addedTokens).toEqual([{ content: '<cat>', id: 8, normalized: true }]);
  });
});
