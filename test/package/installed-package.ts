import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** The package as a user has it: packed, and installed without scripts into an empty folder. */
export class InstalledPackage {
  private constructor(readonly folder: string) {}

  static install(): InstalledPackage {
    const folder = mkdtempSync(join(tmpdir(), 't2i-package-'));
    writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'user', version: '1.0.0', type: 'module' }));
    const quiet = ['--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error'];
    npm(folder, 'install', '--ignore-scripts', ...quiet, tarball(folder));
    return new InstalledPackage(folder);
  }

  /** What was packed: paths with forward slashes, and bytes. */
  files(): { path: string; size: number }[] {
    const root = this.path('.');
    const paths = readdirSync(root, { recursive: true, encoding: 'utf8' });
    return paths
      .map((path) => ({ path: path.split(sep).join('/'), stat: statSync(join(root, path)) }))
      .filter(({ stat }) => stat.isFile())
      .map(({ path, stat }) => ({ path, size: stat.size }));
  }

  npm(...args: string[]): string {
    return npm(this.folder, ...args);
  }

  node(...args: string[]): string {
    return execFileSync(process.execPath, args, { cwd: this.folder, encoding: 'utf8' });
  }

  /** The command line, whatever it ends with. */
  t2i(...args: string[]): { status: number | null; stdout: string; stderr: string } {
    const program = [this.path('bin/t2i.mjs'), ...args];
    return spawnSync(process.execPath, program, { cwd: this.folder, encoding: 'utf8' });
  }

  /** Path of a file of the package. */
  path(name: string): string {
    return join(this.folder, 'node_modules/@t2i/sdk', name);
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** The one that T2I_PACKED names, as `npm test` does, since packing takes a while; else made now. */
function tarball(folder: string): string {
  if (process.env.T2I_PACKED) return process.env.T2I_PACKED;
  return join(folder, npm(ROOT, 'pack', '--silent', '--ignore-scripts', '--pack-destination', folder).trim());
}

/** npm as a user of the package runs it: without the settings that the npm around these tests hands down. */
function npm(cwd: string, ...args: string[]): string {
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('npm_')));
  return execFileSync('npm', args, { cwd, env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
}
