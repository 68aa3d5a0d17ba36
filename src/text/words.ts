/**
 * CLIP's pattern of a word: an English contraction, a run of letters, one digit, or a run of anything else that is not
 * white space. Source: `simple_tokenizer.py` of OpenAI's CLIP.
 */
const WORD = /'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\p{White_Space}\p{L}\p{N}]+/gu;

/**
 * The form of a text that CLIP's tokenizer of Hugging Face splits: NFC, each run of white space one space, lower case.
 * White space is Unicode's property (U+0085 is, U+FEFF is not, unlike `\s`), and a capital sigma becomes `σ` everywhere,
 * since that tokenizer lowers character by character while `toLowerCase` knows the form that ends a word.
 */
export function normalize(text: string): string {
  return nfc(text)
    .replace(/\p{White_Space}+/gu, ' ')
    .replaceAll('Σ', 'σ')
    .toLowerCase();
}

/** Marks in one run that are put in order together: NFC takes time quadratic in the length of a run, minutes for a million. */
const LONGEST_RUN_OF_MARKS = /(\p{M}{256})/u;

/** NFC; a run of more than 256 combining marks, which no script writes, is composed in pieces of 256. */
function nfc(text: string): string {
  return text
    .split(LONGEST_RUN_OF_MARKS)
    .map((piece) => piece.normalize('NFC'))
    .join('');
}

/** The words of a normalized text with their places, in order. */
export function* splitWords(normalized: string): Generator<{ word: string; start: number }> {
  for (const match of normalized.matchAll(WORD)) yield { word: match[0], start: match.index };
}
