import type { Request } from '../options.js';
import type { EncodedText } from '../text/clip-tokenizer.js';

/** Something the caller should know about a request that was carried out all the same. Codes are stable. */
export interface Warning {
  readonly code:
    | 'PROMPT_CUT'
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

function cut(which: string, { ids }: EncodedText, lost: string): string {
  return `The ${which} is longer than the ${ids.length} tokens that the model reads; left out: ${JSON.stringify(lost)}`;
}
