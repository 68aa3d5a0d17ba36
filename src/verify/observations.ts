import type { Receipt } from '../image/receipt.js';
import type { Comparison } from './compare-with-file.js';

/** What is worth knowing of an image that was made again, and is no fault by itself. */
export function observations(receipt: Receipt, again: Receipt, { direct, encodedAlike }: Comparison): string[] {
  const reasons: string[] = [];
  const runtimes = [receipt, again].map(({ backend }) => `${backend.name} (${backend.runtime})`);
  if (runtimes[0] !== runtimes[1]) reasons.push(`backend: ${runtimes[0]} in the receipt, ${runtimes[1]} here`);
  else reasons.push(...engineReasons(receipt.backend, again.backend));
  if (receipt.sdk !== again.sdk) reasons.push(`version: ${receipt.sdk} in the receipt, ${again.sdk} here`);
  if (receipt.rgbSha256 !== again.rgbSha256) reasons.push('pixels: made again, they are not those of the receipt');
  if (direct.maxAbs > 0) {
    const numbers = `${direct.maxAbs} levels at most, ${direct.meanAbs.toFixed(3)} on average, ${direct.psnr.toFixed(1)} dB`;
    reasons.push(`pixels: the file is apart from the image made again by ${numbers}`);
  }
  if (encodedAlike) {
    const once = `encoded once with quality ${encodedAlike.quality}`;
    reasons.push(`format: a lossy file is compared with the image ${once}, and can be within tolerance at best`);
  }
  return reasons;
}

/** Engines of one TensorRT may be built anew, and then round otherwise; a receipt without them says nothing. */
function engineReasons(there: Receipt['backend'], here: Receipt['backend']): string[] {
  if (there.engines === undefined || here.engines === undefined) return [];
  return Object.keys(here.engines)
    .filter((network) => there.engines?.[network] !== here.engines?.[network])
    .map(
      (network) =>
        `engine: ${network} is ${engineOf(there, network)} in the receipt and ${engineOf(here, network)} here`,
    );
}

/** The start of its hash, and what it computes in where that is known. */
function engineOf({ engines, precisions }: Receipt['backend'], network: string): string {
  const sha256 = engines?.[network]?.slice(0, 12);
  if (sha256 === undefined) return 'not named';
  const precision = precisions?.[network];
  return precision === undefined ? sha256 : `${sha256} in ${precision}`;
}
