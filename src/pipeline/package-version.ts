import { createRequire } from 'node:module';

/** Name and version of this package, for receipts, for example `@t2i/sdk 0.1.0`. */
export function packageVersion(): string {
  const { name, version } = createRequire(import.meta.url)('../../package.json') as { name: string; version: string };
  return `${name} ${version}`;
}
