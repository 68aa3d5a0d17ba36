import { ClipTokenizer } from '../text/clip-tokenizer.js';
import type { TokenizerDescription } from './description.js';
import { readJson, readText } from './model-files.js';

/**
 * Reads the tokenizer that {@link describeModel} found.
 * @throws T2IError MODEL_INVALID, where a file changed since.
 */
export async function loadTokenizer(model: { readonly tokenizer: TokenizerDescription }): Promise<ClipTokenizer> {
  const { tokenizer } = model;
  if (tokenizer.kind === 'json')
    return ClipTokenizer.fromTokenizerJson(await readJson(tokenizer.path), tokenizer.config);
  const [vocab, merges] = await Promise.all([readJson(tokenizer.vocab), readText(tokenizer.merges)]);
  return ClipTokenizer.fromFiles({ vocab, merges }, tokenizer.config);
}
