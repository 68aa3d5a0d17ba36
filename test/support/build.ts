import { execFileSync } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/**
 * Brings dist/ up to date before the first test: the runtime's child process and the program are started from there, whatever
 * the tests import. Types are not checked here; `npm run typecheck` does.
 */
export default function build(): void {
  const written = statSync(join(ROOT, 'dist/index.js'), { throwIfNoEntry: false })?.mtimeMs ?? 0;
  const sources = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' });
  if (sources.every((path) => statSync(join(ROOT, 'src', path)).mtimeMs < written)) return;
  const tsc = 'node_modules/typescript/bin/tsc';
  const page = 'src/server/page/browser/build.mjs';
  execFileSync(process.execPath, [tsc, '-p', 'tsconfig.build.json', '--noCheck'], { cwd: ROOT, stdio: 'inherit' });
  execFileSync(process.execPath, [page, '--no-check'], { cwd: ROOT, stdio: 'inherit' });
}
