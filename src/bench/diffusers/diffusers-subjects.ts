import type { ModelDescription } from '../../model/description.js';
import type { Request } from '../../options.js';
import type { Subject } from '../subject.js';
import { DiffusersPeer, type PeerOptions, type PeerRequest } from './peer.js';

/**
 * diffusers with the same weights, prompt, seed, steps and guidance, in one Python process: eager, and on a GPU compiled, too.
 *
 * @param request its sampler is DDIM, the one that the peer runs
 * @throws T2IError BACKEND_UNAVAILABLE; the signal's reason
 */
export async function diffusersSubjects(
  options: Omit<PeerOptions, 'model'>,
  model: ModelDescription,
  request: Request,
  signal: AbortSignal,
): Promise<Subject[]> {
  const { peer, versions } = await DiffusersPeer.start({ ...options, model: model.dir }, signal);
  const { torch, diffusers, dtype, device } = versions;
  const { prompt, seeds, steps, guidanceScale: guidance, width, height } = request;
  const asked = { prompt, seed: seeds[0] as number, steps, guidance };
  const latent = { latentHeight: height / model.vaeFactor, latentWidth: width / model.vaeFactor };
  const subject = (mode: PeerRequest['mode'], warmups: number): Subject => ({
    name: `diffusers (${mode}, ${options.device})`,
    runsOn: `torch ${torch}, diffusers ${diffusers}, ${dtype}, on ${device}`,
    warmups,
    concurrency: [1],
    warnings: new Set(),
    draw: async (_, stop) => {
      const { ms, unetMs, rgb } = await peer.draw({ mode, ...asked, ...latent }, stop);
      return {
        wallMs: ms,
        images: [{ ms, unetMs, networksMs: null }],
        eventLoopDelayMs: null,
        pixels: { rgb: Buffer.from(rgb, 'base64'), width, height },
      };
    },
    firstImage: null,
    close: () => peer.close(),
  });
  // Compiling takes its time on the first runs, and graphs are captured on the second.
  return options.device === 'cuda' ? [subject('eager', 1), subject('compile', 3)] : [subject('eager', 1)];
}
