import { readFile } from 'node:fs/promises';

/** Memory in use after so many images. */
export interface Point {
  readonly image: number;
  readonly bytes: number;
}

/** Memory of a process that is no file's, on Linux. */
export async function residentBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/RssAnon:\s+(\d+) kB/.exec(status)?.[1]) * 1024;
}

/** Address space that a process has and the most it had so far, on Linux: what it asked for and not what the system keeps in memory. */
export async function mappedBytes(pid: number): Promise<{ now: number; peak: number }> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  const field = (name: string) => Number(new RegExp(`${name}:\\s+(\\d+) kB`).exec(status)?.[1]) * 1024;
  return { now: field('VmSize'), peak: field('VmPeak') };
}

/** Bytes an image: the median of the slopes between all pairs of points, which a single jump of the allocator does not move. */
export function slope(points: readonly Point[]): number {
  const slopes = points.flatMap((a, i) => points.slice(i + 1).map((b) => (b.bytes - a.bytes) / (b.image - a.image)));
  return slopes.sort((a, b) => a - b)[Math.floor(slopes.length / 2)] as number;
}
