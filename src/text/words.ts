/**
 * CLIP's pattern of a word: an English contraction, a run of letters, one digit, or a run of anything else that is not
 * white space. Source: `simple_tokenizer.py` of OpenAI's CLIP.
 */
const WORD = /'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\p{White_Space}\p{L}\p{N}]+/gu;

/**
 * The form of a text that CLIP's tokenizer of Hugging Face splits: NFC, each run of white space one space, lower case.
 * White space is Unicode's property (U+0085 is, U+FEFF is not, unlike `\s`), and a capital sigma becomes `σ` everywhere,
 * since that tokenizer lowers character by character while `toLowerCase` knows the form that ends a word. Which characters
 * are letters is up to the runtime's Unicode version; for every one assigned by Unicode 16 the two agree.
 */
export function normalize(text: string): string {
  return nfc(text)
    .replace(/\p{White_Space}+/gu, ' ')
    .replaceAll('Σ', 'σ')
    .toLowerCase();
}

/** Marks that are put in order together: NFC takes time quadratic in the length of a run, minutes for a million. */
const LONGEST_RUN = 64;

/** NFC; a run of more than 64 combining marks, which no script writes, is composed in pieces of that length. */
function nfc(text: string): string {
  const pieces: string[] = [];
  let start = 0;
  for (const { index, 0: run } of text.matchAll(/\p{M}+/gu)) {
    for (let cut = index + LONGEST_RUN; cut < index + run.length; cut += LONGEST_RUN) {
      pieces.push(text.slice(start, cut).normalize('NFC'));
      start = cut;
    }
  }
  pieces.push(text.slice(start).normalize('NFC'));
  return pieces.join('');
}

/** The words of a normalized text with their places, in order. */
export function* splitWords(normalized: string): Generator<{ word: string; start: number }> {
  for (const match of normalized.matchAll(WORD)) yield { word: match[0], start: match.index };
}
