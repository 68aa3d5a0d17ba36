import type { Pipeline } from '../../../pipeline.js';
import { verifyImage } from '../../../verify.js';
import { formatDifference } from '../../quantities.js';
import type { Finding } from './check.js';

export const REQUEST = { prompt: 'a red apple on a blue background', seed: 7 } as const;
const STEPS = 10;

/**
 * Captures a step and replays it: a request of several steps, twice, must give the same pixels. The pipeline is loaded with
 * `strict`, so that steps without a captured graph are an error.
 */
export async function checkGraph(gpu: Pipeline, signal: AbortSignal): Promise<Finding> {
  const request = { ...REQUEST, steps: STEPS, signal };
  const [first, second] = [await gpu.generate(request), await gpu.generate(request)];
  const { unet, total } = second.timings;
  const warnings = [...first.warnings, ...second.warnings].map(({ message }) => message);
  const same = first.images[0].receipt.rgbSha256 === second.images[0].receipt.rgbSha256;
  const pixels = same ? 'twice the same pixels' : 'the same request gave other pixels the second time';
  const detail = [`${STEPS} steps in ${unet.toFixed(1)} ms, ${total.toFixed(1)} ms in all`, pixels, ...warnings].join(
    '; ',
  );
  return { ok: same && warnings.length === 0, detail, numbers: { steps: STEPS, unetMs: unet, totalMs: total } };
}

/** Draws one image on both and compares them as `verify` does. */
export async function checkImage(gpu: Pipeline, cpu: Pipeline, signal: AbortSignal): Promise<Finding> {
  const {
    images: [image],
  } = await cpu.generate({ ...REQUEST, signal });
  const result = await verifyImage(await image.toBuffer('png'), { pipeline: gpu, signal });
  const { verdict, maxAbs, meanAbs, psnr, reasons } = result;
  if (maxAbs === null || meanAbs === null || psnr === null) {
    return { ok: false, detail: [verdict, ...reasons].join('; '), numbers: {} };
  }
  const detail = `${verdict}, beside the CPU's image: ${formatDifference(maxAbs, meanAbs, psnr)}`;
  return { ok: verdict !== 'different', detail, numbers: { maxAbs, meanAbs, psnr } };
}
