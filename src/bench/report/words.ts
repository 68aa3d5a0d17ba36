import type { Summary } from '../statistics.js';

/** For example `0.42 ms`, `12.1 ms`, `384 ms`, `2.08 s`. */
export function formatMs(ms: number): string {
  return ms < 1000 ? `${threeDigits(ms)} ms` : `${threeDigits(ms / 1000)} s`;
}

/** For example `120 MiB`. */
export function formatMemory(bytes: number): string {
  return `${Math.round(bytes / 2 ** 20)} MiB`;
}

/** Of a share from 0 to 1, for example `2.39 %`. */
export function formatShare(share: number): string {
  return `${threeDigits(share * 100)} %`;
}

/** For example `0.42`, `2.60`, `12.1`, `120`. */
export function threeDigits(value: number): string {
  if (value < 10) return value.toFixed(2);
  return value.toFixed(value < 100 ? 1 : 0);
}

/** The median with the quartiles behind it, for example `384 ms (379 ms to 391 ms)`; a dash for nothing. */
export function formatSummary(summary: Summary | null | undefined, format: (value: number) => string): string {
  if (!summary) return '-';
  const { median, low, high, values } = summary;
  return values.length === 1 ? format(median) : `${format(median)} (${format(low)} to ${format(high)})`;
}

/** How many times as long, for example `, 1.97x`. */
export function formatRatio(ratio: number | null): string {
  return ratio === null ? '' : `, ${ratio.toFixed(2)}x`;
}
