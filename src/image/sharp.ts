import type sharp from 'sharp';
import { T2IError } from '../errors.js';

/**
 * Loads sharp, which reads and writes image files. It takes a tenth of a second, so only what needs it loads it.
 *
 * @throws T2IError CODEC_UNAVAILABLE, often because its binary for this platform was not installed
 */
export async function loadSharp(): Promise<typeof sharp> {
  try {
    return (await import('sharp')).default;
  } catch (cause) {
    const [reason] = (cause as Error).message.split('\n');
    throw new T2IError('CODEC_UNAVAILABLE', `sharp, which reads and writes image files, cannot be loaded: ${reason}`, {
      hint: 'Run `npm install --include=optional sharp` on the kind of machine that this runs on.',
      cause,
    });
  }
}
