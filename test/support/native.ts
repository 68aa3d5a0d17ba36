import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { NativeAddon } from '../../src/backends/tensorrt/native.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** Flavours of `native/tools/build.mjs`. */
export type Flavour = 'none' | 'cuda' | 'sim' | 'asan' | 'tsan';

/** Folder of a build, or null where it was not built; under T2I_REQUIRE_ALL=1 that is an error. */
export function buildFolder(flavour: Flavour): string | null {
  const folder = join(ROOT, 'build', flavour);
  if (existsSync(join(folder, 'Release', 't2i.node'))) return folder;
  return missing(`build/${flavour} is missing: node native/tools/build.mjs ${flavour}`);
}

/** The addon of a build; call it only where `buildFolder` gave one. */
export function loadBuild(flavour: Flavour): NativeAddon {
  return createRequire(import.meta.url)(join(ROOT, 'build', flavour, 'Release', 't2i.node')) as NativeAddon;
}

type NvidiaPackage = 'cuda' | 'rtx' | 'lean' | 'trt10' | 'jni10' | 'headers';

/** Those that come from Maven Central and crates.io, which not every machine reaches that has npm and PyPI. */
const FROM_ELSEWHERE: ReadonlySet<NvidiaPackage> = new Set(['trt10', 'jni10', 'headers']);
/** What nvidia.py ends with where a registry is out of reach. */
const UNAVAILABLE = 69;

/** Folder of one of NVIDIA's packages, fetched on first use, or null where it cannot be had; see `native/tools/nvidia.py`. */
export function nvidiaFolder(name: NvidiaPackage): string | null {
  const { status, stdout, stderr, error } = spawnSync('python3', [join(ROOT, 'native/tools/nvidia.py'), name], {
    encoding: 'utf8',
  });
  if (status === 0) return stdout.trim();
  const what = `NVIDIA's ${name} cannot be had: ${error?.message ?? stderr}`;
  return status === UNAVAILABLE && FROM_ELSEWHERE.has(name) ? skipped(what) : missing(what);
}

/** Skips loudly; under T2I_REQUIRE_ALL=1 an error. */
export function missing(what: string): null {
  if (process.env.T2I_REQUIRE_ALL === '1') throw new Error(what);
  return skipped(what);
}

/** The tests that want it count as skipped. */
function skipped(what: string): null {
  console.warn(`skipped: ${what}`);
  return null;
}
