import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/**
 * The files of unit tests, from the root: those whose modules are loaded once for all of them, and those that put others in the place of
 * modules, which must not be loaded yet and are their own.
 */
export function unitFiles(): { shared: string[]; alone: string[] } {
  const files = readdirSync(join(ROOT, 'test/unit'), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.test.ts'))
    .map((path) => join('test/unit', path));
  const mocks = (path: string) => /\bvi\.(?:doMock|mock)\(/.test(readFileSync(join(ROOT, path), 'utf8'));
  return { shared: files.filter((path) => !mocks(path)), alone: files.filter(mocks) };
}
