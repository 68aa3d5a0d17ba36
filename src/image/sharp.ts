import type sharp from 'sharp';

/** sharp takes a tenth of a second to load, so only the first image that is encoded or decoded loads it. */
export async function loadSharp(): Promise<typeof sharp> {
  return (await import('sharp')).default;
}
