import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import type { TestOptions } from 'vitest';

declare module 'vitest' {
  interface TaskMeta {
    /** What a skipped test needs and this machine has not, for the report of `npm test`. */
    lacks?: string;
  }
}

/** What a test needs and this machine has not, with what helps; null where nothing is lacking. */
export type Lack = string | null;

/**
 * Options of a `describe` or `it` that is skipped where something is lacking. The report of `npm test` says what, and counts it as a
 * failure under T2I_REQUIRE_ALL=1.
 */
export function skipFor(...lacks: readonly Lack[]): TestOptions {
  const reasons = lacks.filter((lack) => lack !== null);
  return reasons.length === 0 ? {} : { skip: true, meta: { lacks: reasons.join('; ') } };
}

export function noCommand(name: string): Lack {
  return spawnSync(name, ['--version']).error === undefined ? null : `${name} is not installed`;
}

/** What lets code run on a GPU makes tests void that say what happens without. */
export const hasGpu: Lack = existsSync('/proc/driver/nvidia') ? 'this machine has a GPU' : null;
/** Pipes, signals, and paths such as /dev/stdout. */
export const noPosix: Lack = process.platform === 'win32' ? 'this is Windows' : null;
/** What is read from /proc, and the memory of other processes. */
export const noLinux: Lack = process.platform === 'linux' ? null : 'this is not Linux';
/** Where the addon runs. */
export const noLinuxX64: Lack = noLinux ?? (process.arch === 'x64' ? null : 'this is not x64');
