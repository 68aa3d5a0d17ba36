/**
 * The printable character that stands for each byte in byte-level BPE vocabularies, so that no token holds a space or a
 * control character: printable Latin-1 stands for itself, every other byte for a character from U+0100 on.
 * Source: `bytes_to_unicode` of OpenAI's GPT-2 encoder, which CLIP's `simple_tokenizer.py` reuses.
 */
function byteCharacters(): readonly string[] {
  const printable = (byte: number) => (byte >= 33 && byte <= 126) || (byte >= 161 && byte !== 173);
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(printable(byte) ? byte : next++));
}

const BYTE_CHARACTERS = byteCharacters();
const UTF8 = new TextEncoder();

/** The characters that stand for the UTF-8 bytes of `text`, one each; a lone surrogate counts as U+FFFD. */
export function toByteCharacters(text: string): string[] {
  return Array.from(UTF8.encode(text), (byte) => BYTE_CHARACTERS[byte] as string);
}
