import { statSync } from 'node:fs';
import { type EngineProfile, RUNTIMES, type RuntimeName } from '../../backends/engines.js';
import type { Issue } from '../../errors.js';
import { describeValue, oneOf } from '../../fields.js';
import { absolutePath } from '../../files.js';
import type { RequestLimits } from '../../options.js';
import { needlessFlag } from '../actions.js';
import type { CommandInput } from '../command.js';
import { readProfileFlags } from './profile-flags.js';

/** What is to be built. */
export interface BuildRequest {
  readonly runtime: RuntimeName | undefined;
  readonly profile: EngineProfile | undefined;
  /** Ten times those to build for; empty for the GPU at hand. */
  readonly computeCapabilities: readonly number[];
  readonly device: number | undefined;
  readonly timingCache: string | undefined;
  readonly out: string | undefined;
  readonly report: string | undefined;
}

/**
 * Reads the flags for one model.
 *
 * @returns the request, and every mistake in the flags; with any, the request must not be used
 */
export function readBuildFlags(
  flags: CommandInput['flags'],
  limits: RequestLimits,
  vaeFactor: number,
): { readonly request: BuildRequest; readonly issues: readonly Issue[] } {
  const issues: Issue[] = [];
  const { runtime, compute, device, timingCache, out, report } = flags;
  const runtimes = oneOf(RUNTIMES);
  if (runtime !== undefined && !runtimes.accepts(runtime)) {
    issues.push({ option: '--runtime', expected: runtimes.expected, received: describeValue(runtime) });
  }
  const profile = readProfileFlags(flags, limits, vaeFactor);
  if ('issues' in profile) issues.push(...profile.issues);
  const computeCapabilities = compute === undefined ? [] : readCompute(String(compute), issues);
  if (compute !== undefined && runtime === 'tensorrt') {
    const expected = 'nothing with --runtime tensorrt, which builds for the GPU at hand alone';
    issues.push({ option: '--compute', expected, received: describeValue(compute) });
  }
  if (device !== undefined && !/^\d{1,3}$/.test(String(device))) {
    issues.push({ option: '--device', expected: "a GPU's number from 0", received: describeValue(device) });
  }
  if (timingCache !== undefined && (runtime === 'tensorrt-rtx' || compute !== undefined)) {
    const expected = 'nothing with tensorrt-rtx, on which timing caches have no effect';
    issues.push({ option: '--timing-cache', expected, received: describeValue(timingCache) });
  } else checkPath('--timing-cache', timingCache, 'file', issues);
  checkPath('--out', out, 'folder', issues);
  if (report !== undefined && flags.dryRun === true) issues.push(needlessFlag('report', 'with --dry-run'));
  else checkPath('--report', report, 'file', issues);
  const request: BuildRequest = {
    runtime: runtime as RuntimeName | undefined,
    profile: 'profile' in profile ? profile.profile : undefined,
    computeCapabilities,
    device: device === undefined ? undefined : Number(device),
    timingCache: timingCache === undefined ? undefined : absolutePath(String(timingCache)),
    out: out === undefined ? undefined : absolutePath(String(out)),
    report: report === undefined ? undefined : absolutePath(String(report)),
  };
  return { request, issues };
}

/** `75,86,89` is 7.5, 8.6 and 8.9. */
function readCompute(text: string, issues: Issue[]): number[] {
  const parts = text.split(',').map((part) => part.trim());
  if (parts.every((part) => /^\d{2,3}$/.test(part) && Number(part) >= 50)) {
    return [...new Set(parts.map(Number))].sort((a, b) => a - b);
  }
  const expected = 'compute capabilities without the dot, for example 75,86,89';
  issues.push({ option: '--compute', expected, received: describeValue(text) });
  return [];
}

/** A path that is not there yet is no mistake, one that never can be is. */
function checkPath(option: string, path: unknown, expected: 'file' | 'folder', issues: Issue[]): void {
  if (path === undefined) return;
  const received = path === '' ? 'nothing' : kindOf(String(path));
  if (received !== null && received !== expected) issues.push({ option, expected: `a ${expected}`, received });
}

/** `file`, `folder`, why it cannot be looked at, or null where nothing is there. */
function kindOf(path: string): string | null {
  try {
    return statSync(path).isDirectory() ? 'folder' : 'file';
  } catch (error) {
    // `throwIfNoEntry: false` would hide ENOTDIR too, but not in every version of Node.
    const { code, message } = error as NodeJS.ErrnoException;
    return code === 'ENOENT' ? null : message;
  }
}
