import { describe, expect, it } from 'vitest';
import { refusal, writeModel } from './model-dir.js';

describe('JSON that nests a million deep', () => {
  const deep = `${'['.repeat(1e6)}${']'.repeat(1e6)}`;

  it.each([
    [
      'vae/config.json',
      `{"block_out_channels": {"a": ${deep}}}`,
      /block_out_channels: expected a list.*received an object/,
    ],
    ['unet/config.json', `{"sample_size": ${deep}}`, /sample_size: expected whole numbers/],
    ['t2i.json', `{"formatVersion": ${deep}}`, /formatVersion/],
    ['t2i.json', deep, /formatVersion/],
    ['tokenizer/vocab.json', deep, /vocab\.json.*expected a vocabulary/],
    ['tokenizer/tokenizer_config.json', `{"pad_token": ${deep}}`, /pad_token: expected a JSON object/],
    ['tokenizer/tokenizer.json', `{"model": ${deep}}`, /tokenizer\.json: model: expected an object/],
    ['scheduler/scheduler_config.json', `{"beta_start": ${deep}}`, /beta_start/],
  ])('is refused in %s', async (path, content, reason) => {
    expect(await refusal(writeModel({ [path]: content }))).toMatch(reason);
  });
});
