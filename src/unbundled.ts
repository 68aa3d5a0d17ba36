import { readFileSync } from 'node:fs';
import { T2IError } from './errors.js';

/**
 * Refuses to run from within a bundle. Models run in processes that are started from this package's files, and its binaries and its
 * default model lie beside them; a copy of the code in another file finds none of these, and would fail later and obscurely.
 */
function refuseBundle(): void {
  try {
    // A bundle in CommonJS has no `import.meta.url` at all.
    const { name } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
      name?: unknown;
    };
    if (name === '@t2i/sdk') return;
  } catch {
    // No such file, or that of something else: refused below.
  }
  throw new T2IError('BACKEND_UNAVAILABLE', '@t2i/sdk cannot run from within a bundle', {
    hint: 'Leave it out of the bundle: `--external:@t2i/sdk` for esbuild, `serverExternalPackages` for Next.js; docs/bundlers.md.',
  });
}

refuseBundle();
