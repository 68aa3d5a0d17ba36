import { refuse } from '../fields.js';

/**
 * A token as a header can hold it, without blanks around it; null where there is none. What no header can hold, fetch would repeat in
 * its error.
 *
 * @param option where it comes from, such as `HF_TOKEN`
 * @throws T2IError OPTION_INVALID, which does not repeat it
 */
export function readToken(option: string, text: string | null | undefined): string | null {
  const token = text?.trim() ?? '';
  if (token === '') return null;
  const received = 'a text with spaces or other characters';
  if (!/^[\x21-\x7e]+$/.test(token)) refuse([{ option, expected: 'a token', received }]);
  return token;
}
