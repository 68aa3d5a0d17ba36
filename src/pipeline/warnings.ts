import type { Request } from '../options.js';
import type { EncodedText } from '../text/clip-tokenizer.js';

/** Something the caller should know about a request that was carried out all the same. Codes are stable. */
export interface Warning {
  readonly code:
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

export function warningsOf(request: Request, { prompt, negative, distilled }: EncodedTexts): Warning[] {
  const warnings: Warning[] = [];
  if (request.replacement !== undefined) warnings.push({ code: 'SAMPLER_REPLACED', message: request.replacement });
  if (prompt.lost !== null) warnings.push({ code: 'PROMPT_CUT', message: cut('prompt', prompt, prompt.lost) });
  warnings.push(...unknownWords(request.prompt, prompt));
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

/** What the vocabulary tells; a model may well have learnt nothing of a word that its tokenizer can write. */
function unknownWords(text: string, { known, unknown, lost }: EncodedText): Warning[] {
  if (known === 0 && lost === null && text.trim() !== '') {
    const message = `The prompt ${JSON.stringify(text)} has no word that the model could know, so the image may show anything`;
    return [{ code: 'PROMPT_UNKNOWN', message }];
  }
  if (unknown.length === 0) return [];
  const words = [...new Set(unknown)].map((word) => JSON.stringify(word)).join(', ');
  return [
    { code: 'PROMPT_WORDS_UNKNOWN', message: `The model's vocabulary has no characters for ${words} of the prompt` },
  ];
}

function cut(which: string, { ids }: EncodedText, lost: string): string {
  return `The ${which} is longer than the ${ids.length} tokens that the model reads; left out: ${JSON.stringify(lost)}`;
}
