import { createRequire } from 'node:module';

/** The part of package.json that says where bugs are reported. */
interface PackageJson {
  readonly bugs?: string | { readonly url?: string };
}

/**
 * A sentence that asks for a report, to end a hint with; empty where the package names no address for one.
 *
 * @param what what to report, for example `it with this message`
 */
export function askForReport(what: string, { bugs } = readPackageJson()): string {
  const address = typeof bugs === 'string' ? bugs : bugs?.url;
  return address ? ` Please report ${what}: ${address}` : '';
}

function readPackageJson(): PackageJson {
  return createRequire(import.meta.url)('../package.json') as PackageJson;
}
