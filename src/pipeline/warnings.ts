import type { Request } from '../options.js';
import type { EncodedText } from '../text/clip-tokenizer.js';

/** Something the caller should know about a request that was carried out all the same. Codes are stable. */
export interface Warning {
  readonly code:
    | 'PROMPT_EMPTY'
    | 'PROMPT_CUT'
    | 'PROMPT_UNKNOWN'
    | 'PROMPT_WORDS_UNKNOWN'
    | 'NEGATIVE_PROMPT_CUT'
    | 'NEGATIVE_PROMPT_UNUSED'
    | 'SAMPLER_REPLACED'
    | 'THREADS_CAPPED'
    | 'BACKEND_FALLBACK';
  readonly message: string;
}

/** What became of the texts of a request. */
export interface EncodedTexts {
  readonly prompt: EncodedText;
  /** Null where it is not used. */
  readonly negative: EncodedText | null;
  /** Whether guidance was distilled into the model, so that it takes a scale but no negative prompt. */
  readonly distilled: boolean;
}

/** @param learnt words that the model was trained on, separated by spaces; undefined where nobody says */
export function warningsOf(
  request: Request,
  { prompt, negative, distilled }: EncodedTexts,
  learnt: string | undefined,
): Warning[] {
  const warnings: Warning[] = [];
  if (request.replacement !== undefined) warnings.push({ code: 'SAMPLER_REPLACED', message: request.replacement });
  if (prompt.lost !== null) warnings.push({ code: 'PROMPT_CUT', message: cut('prompt', prompt, prompt.lost) });
  warnings.push(...unknownWords(request.prompt, prompt, learnt));
  if (negative !== null && negative.lost !== null) {
    warnings.push({ code: 'NEGATIVE_PROMPT_CUT', message: cut('negative prompt', negative, negative.lost) });
  }
  if (negative === null && request.negativePrompt !== '') {
    const message = distilled
      ? 'The negative prompt has no effect: guidance was distilled into this model, which takes none'
      : `The negative prompt has no effect at guidanceScale ${request.guidanceScale}; it needs one above 1`;
    warnings.push({ code: 'NEGATIVE_PROMPT_UNUSED', message });
  }
  return warnings;
}

/** Told by the vocabulary, and by the words of training where the model lists them: most of a vocabulary was never seen. */
function unknownWords(text: string, { known, unknown, lost }: EncodedText, learnt: string | undefined): Warning[] {
  if (text.trim() === '') {
    return [{ code: 'PROMPT_EMPTY', message: 'The prompt is empty, so the images may show anything' }];
  }
  if (known === 0 && lost === null) {
    const message = `The prompt ${JSON.stringify(text)} has no word that the model could know, so the image may show anything`;
    return [{ code: 'PROMPT_UNKNOWN', message }];
  }
  const messages: string[] = [];
  if (unknown.length > 0)
    messages.push(`The model's vocabulary has no characters for ${quoted(unknown)} of the prompt`);
  const unseen = learnt === undefined ? [] : unseenWords(text, learnt);
  if (unseen.length > 0)
    messages.push(`The model was not trained on ${quoted(unseen)}; what it makes of that is a guess`);
  return messages.map((message) => ({ code: 'PROMPT_WORDS_UNKNOWN', message }));
}

function unseenWords(text: string, learnt: string): string[] {
  const seen = new Set(learnt.split(' '));
  return (text.toLowerCase().match(/\p{L}+/gu) ?? []).filter((word) => !seen.has(word));
}

/** Words of a prompt, each once. */
function quoted(words: readonly string[]): string {
  return [...new Set(words)].map((word) => JSON.stringify(word)).join(', ');
}

function cut(which: string, { ids }: EncodedText, lost: string): string {
  return `The ${which} is longer than the ${ids.length} tokens that the model reads; left out: ${JSON.stringify(lost)}`;
}
