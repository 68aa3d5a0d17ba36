import { fileURLToPath } from 'node:url';

/**
 * Path of the module of a child process or a thread, beside the caller's. Run from the sources, as the tests are, it is still the built
 * file: Node starts no TypeScript.
 *
 * @param url `import.meta.url` of a module in a folder below src/ or dist/
 * @param file name of the child's module in the same folder, ending in .js
 */
export function builtEntry(url: string, file: string): string {
  const built = url.endsWith('.ts') ? url.replace(/^(.*)\/src\/([^?]*)$/, '$1/dist/$2') : url;
  return fileURLToPath(new URL(file, built));
}
