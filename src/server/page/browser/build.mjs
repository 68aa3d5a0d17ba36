import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Compiles the page for browsers into dist/server/page/browser and copies beside it what is no code. `--no-check` leaves types unchecked. */
const HERE = fileURLToPath(new URL('.', import.meta.url));
const ROOT = join(HERE, '../../../..');
const OUT = join(ROOT, 'dist/server/page/browser');
const check = process.argv.includes('--no-check') ? ['--noCheck'] : [];

rmSync(OUT, { recursive: true, force: true });
mkdirSync(OUT, { recursive: true });
const emit = ['--noEmit', 'false', '--outDir', OUT, '--removeComments', ...check];
execFileSync(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', HERE, ...emit], {
  stdio: 'inherit',
});
for (const file of readdirSync(HERE).filter((name) => /\.(html|css|svg)$/.test(name))) {
  copyFileSync(join(HERE, file), join(OUT, file));
}
