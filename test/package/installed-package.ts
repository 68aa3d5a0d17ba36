import { execFileSync, spawnSync } from 'node:child_process';
import { constants, cpSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { installPackage, npm } from './install-package.mjs';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** The package as a user has it: packed, and installed without scripts into an empty folder. */
export class InstalledPackage {
  private constructor(readonly folder: string) {}

  /** A copy of the one that T2I_INSTALLED names, as `npm test` does, since packing and installing take a while; else made now. */
  static install(): InstalledPackage {
    const folder = mkdtempSync(join(tmpdir(), 't2i-package-'));
    const installed = process.env.T2I_INSTALLED;
    if (installed)
      cpSync(installed, folder, { recursive: true, mode: constants.COPYFILE_FICLONE, verbatimSymlinks: true });
    else
      installPackage(
        join(folder, npm(ROOT, 'pack', '--silent', '--ignore-scripts', '--pack-destination', folder).trim()),
        folder,
      );
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
