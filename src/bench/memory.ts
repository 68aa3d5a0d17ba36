import { readdirSync, readFileSync } from 'node:fs';

/** The most memory that processes held at any time, in bytes. */
export interface PeakMemory {
  /** Of this process. */
  readonly process: number;
  /** Of all its children that still run, and of theirs, added up; null where the system does not tell. */
  readonly children: number | null;
}

interface ProcessStatus {
  readonly parent: number;
  /** Peak resident memory in bytes. */
  readonly peak: number;
}

/** Peak resident memory of this process and of its children so far. */
export function peakMemory(): PeakMemory {
  const all = process.platform === 'linux' ? runningProcesses() : null;
  return {
    // A process inherits `maxRSS` of the one that started it, but never the kernel's own high-water mark.
    process: all?.get(process.pid)?.peak ?? process.resourceUsage().maxRSS * 1024,
    children: all && peakOfChildren(process.pid, all),
  };
}

function peakOfChildren(pid: number, all: ReadonlyMap<number, ProcessStatus>): number {
  return [...all]
    .filter(([, { parent }]) => parent === pid)
    .reduce((sum, [child, { peak }]) => sum + peak + peakOfChildren(child, all), 0);
}

/** Every process of the system, by its id. Not every kernel lists the children of one. */
function runningProcesses(): Map<number, ProcessStatus> {
  const found = new Map<number, ProcessStatus>();
  for (const name of readdirSync('/proc')) {
    const status = /^\d+$/.test(name) ? readStatus(name) : null;
    if (status !== null) found.set(Number(name), status);
  }
  return found;
}

/** Null where the process has ended meanwhile. */
function readStatus(pid: string): ProcessStatus | null {
  try {
    const text = readFileSync(`/proc/${pid}/status`, 'utf8');
    const field = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(text)?.[1] ?? 0);
    return { parent: field('PPid'), peak: field('VmHWM') * 1024 };
  } catch {
    return null;
  }
}
