import { SAMPLER_LABELS } from '../../image/parameters.js';

/** What a client's sampler and schedule mean here. */
export interface SamplerChoice {
  readonly sampler?: string | undefined;
  readonly sigmas?: 'karras' | undefined;
}

const plain = (label: string) =>
  label
    .toLowerCase()
    .replaceAll('+', 'p')
    .replace(/[^a-z0-9]/g, '');

/** That program's names, ours, and those of its older versions, which have the schedule in the name. */
export function samplerOf(label: string | undefined, scheduler: string | undefined): SamplerChoice {
  const [, base = ''] = /^(.*?)(?: karras)?$/i.exec(label?.trim() ?? '') ?? [];
  const isKarras = base !== (label?.trim() ?? '') || scheduler?.toLowerCase() === 'karras';
  const sigmas = isKarras ? 'karras' : undefined;
  if (base === '' || base.toLowerCase() === 'automatic') return { sigmas };
  const known = Object.entries(SAMPLER_LABELS).find(([name, each]) => [plain(name), plain(each)].includes(plain(base)));
  // One that there is not is refused with the names that there are.
  return { sampler: known?.[0] ?? base, sigmas };
}

/** What the program calls a sampler of ours. */
export const labelOf = (sampler: string) => SAMPLER_LABELS[sampler] ?? sampler;
