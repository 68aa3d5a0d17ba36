import { SAMPLERS, type SamplerName } from '../../diffusion/samplers/index.js';
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
  const name = label?.trim() ?? '';
  const base = name.replace(/ karras$/i, '');
  const isKarras = base !== name || scheduler?.toLowerCase() === 'karras';
  const sigmas = isKarras ? 'karras' : undefined;
  if (base === '' || base.toLowerCase() === 'automatic') return { sigmas };
  const known = Object.entries(SAMPLER_LABELS).find(([ours, theirs]) =>
    [plain(ours), plain(theirs)].includes(plain(base)),
  );
  // One that there is not is refused with the names that there are.
  return { sampler: known?.[0] ?? base, sigmas };
}

/**
 * What that program's eta means here. Its clients send 1 with every sampler. A sampler that takes eta reads it as the share of fresh
 * noise; of an ancestral one it scales the noise, which is whole here; the others know none, and it is passed over.
 *
 * @returns undefined where there is nothing to say; what is not done here is passed on, to be refused
 */
export function etaOf(sampler: string | undefined, eta: number | undefined): number | undefined {
  if (sampler === undefined || SAMPLERS[sampler as SamplerName]?.acceptsEta) return eta;
  return sampler === 'euler-a' && eta !== 1 ? eta : undefined;
}

/** What the program calls a sampler of ours. */
export const labelOf = (sampler: string) => SAMPLER_LABELS[sampler] ?? sampler;
