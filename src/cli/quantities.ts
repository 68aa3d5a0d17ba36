/** For example `830 B`, `12 KiB`, `51 MiB`, `1.4 GiB`. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  const power = Math.min(Math.floor(Math.log2(Math.max(bytes, 1)) / 10), units.length - 1);
  const value = bytes / 1024 ** power;
  return `${value.toFixed(power > 0 && value < 9.95 ? 1 : 0)} ${units[power]}`;
}

/** How long ago, for example `just now`, `5 min`, `3 h`, `12 days`. */
export function formatAge(milliseconds: number): string {
  const minutes = Math.floor(milliseconds / 60_000);
  if (minutes < 1) return 'just now';
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours} h`;
  return `${Math.floor(hours / 24)} days`;
}

/** For example `0.4 s`, `12 s`, `3 min 20 s`, `2 h 5 min`. */
export function formatSeconds(seconds: number): string {
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

/**
 * How far two images are apart, in words.
 *
 * @param maxAbs largest difference of one byte, 0 to 255
 * @param meanAbs mean difference of the bytes
 * @param psnr peak signal-to-noise ratio in dB, Infinity for equal images
 */
export function formatDifference(maxAbs: number, meanAbs: number, psnr: number): string {
  if (maxAbs === 0) return 'every byte is equal';
  return `largest difference ${maxAbs} of 255, mean ${meanAbs.toFixed(4)}, PSNR ${psnr.toFixed(1)} dB`;
}

const BYTES: Readonly<Record<string, number>> = { '': 1, B: 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30, TiB: 2 ** 40 };
const MILLISECONDS: Readonly<Record<string, number>> = { '': 1, ms: 1, s: 1000, min: 60_000, h: 3_600_000 };

/** Whole bytes of a text such as `1048576`, `512MiB` or `1.5 GiB`; null for another. */
export function parseBytes(text: unknown): number | null {
  const bytes = parseQuantity(text, BYTES);
  return bytes === null ? null : Math.round(bytes);
}

/** Milliseconds of a text such as `5ms`, `90s`, `10min` or `1h`; a bare number is milliseconds. Null for another. */
export function parseDuration(text: unknown): number | null {
  return parseQuantity(text, MILLISECONDS);
}

function parseQuantity(text: unknown, units: Readonly<Record<string, number>>): number | null {
  const [, number, unit = ''] = /^(\d+(?:\.\d+)?) ?([A-Za-z]*)$/.exec(String(text)) ?? [];
  const size = Object.hasOwn(units, unit) ? units[unit] : undefined;
  return number === undefined || size === undefined ? null : Number(number) * size;
}
