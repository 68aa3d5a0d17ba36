import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

export interface Packed {
  readonly filename: string;
  readonly files: readonly { readonly path: string; readonly size: number }[];
}

/** The package as a user has it: packed, and installed without scripts into an empty folder. */
export class InstalledPackage {
  private constructor(
    readonly folder: string,
    readonly packed: Packed,
  ) {}

  static install(): InstalledPackage {
    const folder = mkdtempSync(join(tmpdir(), 't2i-package-'));
    const pack = ['pack', '--json', '--ignore-scripts', '--pack-destination', folder];
    const [packed] = JSON.parse(npm(ROOT, ...pack)) as [Packed];
    writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'user', version: '1.0.0', type: 'module' }));
    const quiet = ['--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error'];
    npm(folder, 'install', '--ignore-scripts', ...quiet, join(folder, packed.filename));
    return new InstalledPackage(folder, packed);
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

/** npm as a user of the package runs it: without the settings that the npm around these tests hands down. */
function npm(cwd: string, ...args: string[]): string {
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('npm_')));
  return execFileSync('npm', args, { cwd, env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
}
