/** What many measurements of one thing come to, and the measurements themselves, in the order of the rounds. */
export interface Summary {
  readonly median: number;
  /** First and third quartile: half of all values lie between them. */
  readonly low: number;
  readonly high: number;
  readonly values: readonly number[];
}

/**
 * The value below which a share `q` of all values lies, interpolated linearly between neighbours (type 7 of Hyndman and Fan 1996,
 * NumPy's default).
 *
 * @param values at least one, in any order
 * @param q 0 to 1
 */
export function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const place = (sorted.length - 1) * q;
  const [low, high] = [sorted[Math.floor(place)] as number, sorted[Math.ceil(place)] as number];
  return low + (high - low) * (place - Math.floor(place));
}

/** Null where nothing was measured. */
export function summarise(values: readonly number[]): Summary | null {
  if (values.length === 0) return null;
  return { median: quantile(values, 0.5), low: quantile(values, 0.25), high: quantile(values, 0.75), values };
}

/** Times of requests that each of them waited for. */
export interface Percentiles {
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  /** How many requests they stand for: of fewer than a hundred, p99 is hardly less than the slowest. */
  readonly count: number;
}

/** Null where nothing was measured. */
export function percentiles(values: readonly number[]): Percentiles | null {
  if (values.length === 0) return null;
  const [p50, p95, p99] = [0.5, 0.95, 0.99].map((q) => quantile(values, q)) as [number, number, number];
  return { p50, p95, p99, count: values.length };
}
