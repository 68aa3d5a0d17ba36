/**
 * Installs a tarball of the package as a user does, without scripts, into a folder that becomes a project of the user's:
 *
 *     node test/package/install-package.mjs TARBALL FOLDER
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

/**
 * npm as a user of the package runs it: without the settings that the npm around these tests hands down.
 *
 * @param {string} cwd
 * @param {string[]} args
 * @returns {string} its standard output
 */
export function npm(cwd, ...args) {
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('npm_')));
  return execFileSync('npm', args, { cwd, env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
}

/** Flags of `npm install`. */
export const QUICK_AND_QUIET = ['--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error'];

/**
 * @param {string} tarball
 * @param {string} folder
 */
export function installPackage(tarball, folder) {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'user', version: '1.0.0', type: 'module' }));
  npm(folder, 'install', '--ignore-scripts', ...QUICK_AND_QUIET, tarball);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const [tarball, folder] = process.argv.slice(2);
  installPackage(tarball, folder);
}
