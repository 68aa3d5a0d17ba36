import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { T2IError } from '../../errors.js';
import { namesIn } from './names-in.js';
import type { NativeAddon } from './native.js';

/** Of the package; the same from src/ and from dist/. */
const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
/** Where the addon ships a binary. */
const PLATFORM = 'linux-x64';

export interface LoadedAddon {
  readonly addon: NativeAddon;
  /** Of its file. */
  readonly path: string;
}

/** Where to look; the defaults are this machine and this package. */
export interface AddonSearch {
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** `process.platform` and `process.arch` with a dash between. */
  readonly platform?: string;
  readonly root?: string;
}

/**
 * Loads the native addon: the file that T2I_ADDON names, or else the first that loads of the package's own binary and, in a clone, what
 * was built there. Loading one twice gives the same.
 *
 * @throws T2IError BACKEND_UNAVAILABLE with every file that was tried, why it failed and the command that helps
 */
export function loadAddon({ env = process.env, platform = machine(), root = ROOT }: AddonSearch = {}): LoadedAddon {
  const { T2I_ADDON: given } = env;
  if (!given && platform !== PLATFORM) throw wrongPlatform(platform);
  const { name, version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as PackageJson;
  const tried: string[] = [];
  for (const path of given ? [given] : candidates(root)) {
    try {
      const addon = createRequire(import.meta.url)(path) as NativeAddon;
      if (addon.version === version) return { addon, path };
      tried.push(`${path}: it was built for ${name} ${addon.version}, this is ${version}`);
    } catch (error) {
      const reason = existsSync(path) ? (error as Error).message.replace(`${path}: `, '') : 'no such file';
      tried.push(`${path}: ${reason}`);
    }
  }
  throw new T2IError('BACKEND_UNAVAILABLE', `The native addon cannot be loaded. Tried ${tried.join('; ')}`, {
    hint: given
      ? 'Unset T2I_ADDON, or let it name a file that `node native/tools/build.mjs` built for this version.'
      : `Run \`npm install ${name}\` again; in a clone, run \`node native/tools/build.mjs cuda\`, or \`none\` without a CUDA compiler.`,
  });
}

interface PackageJson {
  readonly name: string;
  readonly version: string;
}

function machine(): string {
  return `${process.platform}-${process.arch}`;
}

/** The binary that ships, then a clone's own builds, the one with kernels first. */
function candidates(root: string): string[] {
  const shipped = join(root, 'prebuilds', PLATFORM);
  const names = namesIn(shipped).filter((name) => name.endsWith('.node'));
  return [
    ...names.sort().map((name) => join(shipped, name)),
    ...(names.length === 0 ? [shipped] : []),
    ...['cuda', 'none'].map((flavour) => join(root, 'build', flavour, 'Release', 't2i.node')),
  ];
}

function wrongPlatform(platform: string): T2IError {
  const message = `There is no native addon for ${platform}; GPUs are used on ${PLATFORM} alone`;
  return new T2IError('BACKEND_UNAVAILABLE', message, {
    hint: 'Use the backend onnxruntime, which runs on the processor.',
  });
}
