import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { NativeAddon } from '../../src/backends/tensorrt/native.js';
import type { Lack } from './skip-for.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** Flavours of `native/tools/build.mjs`. */
export type Flavour = 'none' | 'cuda' | 'sim' | 'asan' | 'tsan';

/** Folder of a build, or null where it was not built. */
export function buildFolder(flavour: Flavour): string | null {
  const folder = join(ROOT, 'build', flavour);
  return existsSync(join(folder, 'Release', 't2i.node')) ? folder : null;
}

export function noBuild(flavour: Flavour): Lack {
  return buildFolder(flavour) ? null : `build/${flavour} is missing: node native/tools/build.mjs ${flavour}`;
}

/** The addon of a build; call it only where `buildFolder` gave one. */
export function loadBuild(flavour: Flavour): NativeAddon {
  return createRequire(import.meta.url)(join(ROOT, 'build', flavour, 'Release', 't2i.node')) as NativeAddon;
}

type NvidiaPackage = 'cuda' | 'rtx' | 'lean' | 'trt10' | 'jni10' | 'enums10' | 'headers';

/** Folders of NVIDIA's packages, or why there is none; asked once a file. */
const nvidia = new Map<NvidiaPackage, { folder: string | null; lack: Lack }>();

/** Fetches one of NVIDIA's packages on first use, see `native/tools/nvidia.py`. */
function fetchNvidia(name: NvidiaPackage) {
  const known = nvidia.get(name);
  if (known) return known;
  const script = join(ROOT, 'native/tools/nvidia.py');
  const { status, stdout, stderr, error } = spawnSync('python3', [script, name], { encoding: 'utf8' });
  const lack = `NVIDIA's ${name} cannot be had: ${error?.message ?? stderr.trim()}`;
  const fetched = status === 0 ? { folder: stdout.trim(), lack: null } : { folder: null, lack };
  nvidia.set(name, fetched);
  return fetched;
}

/** Folder of one of NVIDIA's packages, or null where it cannot be had. */
export const nvidiaFolder = (name: NvidiaPackage): string | null => fetchNvidia(name).folder;
export const noNvidia = (name: NvidiaPackage): Lack => fetchNvidia(name).lack;
