import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Lack } from './skip-for.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** The interpreter of the environment of a lock file, which `npm test` sets up; what is lacking where it is not there. */
export function pythonOf(lock: string): { readonly python: string; readonly lack: Lack } {
  const { stdout, stderr, error, status } = spawnSync('python3', ['trainer/env.py', '--installed', '--lock', lock], {
    cwd: ROOT,
    encoding: 'utf8',
  });
  if (status === 0) return { python: stdout.trim(), lack: null };
  return { python: '', lack: error ? 'python3 is not installed' : stderr.trim() };
}
