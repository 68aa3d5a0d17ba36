import { ClipTokenizer } from '../text/clip-tokenizer.js';
import { readTokenizerJson } from '../text/tokenizer-json.js';
import type { TokenizerDescription } from './description.js';
import { type ModelFiles, readJson, readText } from './model-files.js';
import { readTokenizerSettings } from './tokenizer-config.js';

const NO_DEFAULTS = { padToken: null, maxLength: null };

/**
 * Finds and checks the tokenizer in tokenizer/: tokenizer.json where there is one, as transformers prefers, otherwise
 * vocab.json and merges.txt.
 * @param fallbackLength tokens of the context where no file of the tokenizer says it.
 * @throws T2IError MODEL_INVALID
 */
export async function readTokenizer(
  files: ModelFiles,
  fallbackLength: number,
): Promise<{ readonly description: TokenizerDescription; readonly tokenizer: ClipTokenizer }> {
  const asJson = await files.has('tokenizer/tokenizer.json');
  const json = asJson ? await files.json('tokenizer/tokenizer.json') : null;
  const settings = await readTokenizerSettings(files, asJson ? readTokenizerJson(json) : NO_DEFAULTS);
  const config = { ...settings, contextLength: settings.contextLength ?? fallbackLength };
  if (asJson) {
    const tokenizer = ClipTokenizer.fromTokenizerJson(json, config);
    const { path } = await files.check('tokenizer/tokenizer.json');
    return { description: { kind: 'json', path, config, ...lengths(tokenizer) }, tokenizer };
  }
  const [vocab, merges] = await Promise.all([files.json('tokenizer/vocab.json'), files.text('tokenizer/merges.txt')]);
  const tokenizer = ClipTokenizer.fromFiles({ vocab, merges }, config);
  const paths = {
    vocab: (await files.check('tokenizer/vocab.json')).path,
    merges: (await files.check('tokenizer/merges.txt')).path,
  };
  return { description: { kind: 'files', ...paths, config, ...lengths(tokenizer) }, tokenizer };
}

/**
 * Reads the tokenizer that {@link describeModel} found.
 * @throws T2IError MODEL_INVALID, where a file changed since.
 */
export async function loadTokenizer(model: { readonly tokenizer: TokenizerDescription }): Promise<ClipTokenizer> {
  const { tokenizer } = model;
  if (tokenizer.kind === 'json') {
    return ClipTokenizer.fromTokenizerJson(await readJson(tokenizer.path), tokenizer.config);
  }
  const [vocab, merges] = await Promise.all([readJson(tokenizer.vocab), readText(tokenizer.merges)]);
  return ClipTokenizer.fromFiles({ vocab, merges }, tokenizer.config);
}

function lengths(tokenizer: ClipTokenizer) {
  return { padTokenId: tokenizer.padTokenId, contextLength: tokenizer.contextLength };
}
