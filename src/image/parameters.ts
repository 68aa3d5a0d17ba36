import { hashModel, type Receipt } from './receipt.js';

/** What other programs call our samplers. */
export const SAMPLER_LABELS: Readonly<Record<string, string>> = {
  ddim: 'DDIM',
  ddpm: 'DDPM',
  euler: 'Euler',
  'euler-a': 'Euler a',
  'dpmpp-2m': 'DPM++ 2M',
  lcm: 'LCM',
};
const SCHEDULE_LABELS = { default: 'Uniform', karras: 'Karras' } as const;

/**
 * The `parameters` text that Stable Diffusion programs write into an image and read from it, by the grammar of AUTOMATIC1111's
 * infotext: the prompt, the negative prompt, then one line of settings. What is left out there is not "unknown" to a reader but a
 * default of its own (a GPU's noise, a schedule of its choice), so what was used is written even where it is the plain one.
 */
export function writeParameters(receipt: Receipt): string {
  const { plan, model, negativePrompt } = receipt;
  const schedule = plan.schedule ?? plan.sigmas ?? 'default';
  const settings: [string, string | number][] = [
    ['Steps', plan.steps],
    ['Sampler', SAMPLER_LABELS[plan.sampler] ?? plan.sampler],
    ['Schedule type', SCHEDULE_LABELS[schedule]],
    ['CFG scale', receipt.guidanceScale],
    ['Seed', receipt.seed],
    ['Size', `${receipt.width}x${receipt.height}`],
    ['Model hash', hashModel(model.hashes).slice(0, 10)],
    ['Model', model.name],
    ...(plan.eta ? [['Eta DDIM', plan.eta] as [string, number]] : []),
    ['RNG', 'CPU'],
    ['Version', receipt.sdk],
  ];
  return [
    unmarked(receipt.prompt),
    ...(negativePrompt === '' ? [] : [`Negative prompt: ${unmarked(negativePrompt)}`]),
    settings.map(([name, value]) => `${name}: ${quoted(String(value))}`).join(', '),
  ].join('\n');
}

/**
 * A prompt that no line of can be taken for the start of the negative prompt: the grammar has no escape, but a second space, which
 * tokenizers pass over, does.
 */
function unmarked(prompt: string): string {
  return prompt.replace(/^([\s\p{Cc}]*Negative) (?=prompt:)/gmu, '$1  ');
}

/** A value that separators, quotes, line breaks or blanks at its ends would tear apart is written as a JSON string. */
function quoted(value: string): string {
  return /[,:"\p{Cc}\u2028\u2029]|^\s|\s$|^$/u.test(value) ? JSON.stringify(value) : value;
}
