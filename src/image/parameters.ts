import { hashModel, type Receipt } from './receipt.js';

/** What other programs call our samplers. */
const SAMPLER_LABELS: Readonly<Record<string, string>> = {
  ddim: 'DDIM',
  ddpm: 'DDPM',
  euler: 'Euler',
  'euler-a': 'Euler a',
  'dpmpp-2m': 'DPM++ 2M',
  lcm: 'LCM',
};

/** The `parameters` text that Stable Diffusion programs write into a PNG and read from it: the prompts, then one line of settings. */
export function writeParameters(receipt: Receipt): string {
  const { plan, model } = receipt;
  const settings = [
    `Steps: ${plan.steps}`,
    `Sampler: ${SAMPLER_LABELS[plan.sampler] ?? plan.sampler}`,
    ...(plan.sigmas === 'karras' ? ['Schedule type: Karras'] : []),
    `CFG scale: ${receipt.guidanceScale}`,
    `Seed: ${receipt.seed}`,
    `Size: ${receipt.width}x${receipt.height}`,
    `Model hash: ${hashModel(model.hashes).slice(0, 10)}`,
    `Model: ${model.name}`,
    ...(plan.eta ? [`Eta: ${plan.eta}`] : []),
    `Version: ${receipt.sdk}`,
  ];
  const negative = receipt.negativePrompt === '' ? [] : [`Negative prompt: ${receipt.negativePrompt}`];
  return [receipt.prompt, ...negative, settings.join(', ')].join('\n');
}
