import { existsSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { rtxKnows } from './capabilities.js';
import { namesIn } from './names-in.js';
import type { NativeDevice, NativeLibrary, NativeSearch } from './native.js';

type Env = Readonly<Record<string, string | undefined>>;

/** Where pip puts TensorRT, TensorRT-RTX and the CUDA runtime that they need, under site-packages. */
const PIP_FOLDERS = ['tensorrt_libs', 'tensorrt_lean_libs', 'tensorrt_rtx_libs', 'nvidia/cu13/lib'];

/** Names of the runtimes, as users choose between them. */
export const RUNTIMES = ['tensorrt', 'tensorrt-rtx'] as const;
export type RuntimeName = (typeof RUNTIMES)[number];

/**
 * Where TensorRT is looked for: in one folder alone, where the option or T2I_TENSORRT_LIB_DIR names it; else also in what Python
 * environments hold. No Python is started for that.
 */
export function searchOf(tensorrtLibDir: string | undefined, env: Env = process.env): NativeSearch {
  const only = tensorrtLibDir ?? (env.T2I_TENSORRT_LIB_DIR || undefined);
  return only === undefined ? { more: pythonFolders(env) } : { only };
}

/** Folders with libraries of the active virtual environment, of every Python in PATH and of conda, those that exist. */
export function pythonFolders(env: Env): string[] {
  const { VIRTUAL_ENV: virtual, CONDA_PREFIX: conda, PATH: path = '' } = env;
  const onPath = path.split(delimiter).filter((folder) => folder !== '' && existsSync(join(folder, 'python3')));
  const prefixes = [virtual, conda, ...onPath.map(dirname)].filter((prefix) => prefix !== undefined && prefix !== '');
  const packages = prefixes.flatMap((prefix) => sitePackages(prefix as string));
  const folders = packages.flatMap((folder) => PIP_FOLDERS.map((name) => join(folder, name)));
  if (conda) folders.push(join(conda, 'lib'));
  return [...new Set(folders)].filter((folder) => existsSync(folder));
}

/** `dist-packages` is Debian's name for them. */
function sitePackages(prefix: string): string[] {
  const lib = join(prefix, 'lib');
  const pythons = namesIn(lib).filter((name) => /^python3(\.\d+)?$/.test(name));
  return pythons.flatMap((python) => ['site-packages', 'dist-packages'].map((name) => join(lib, python, name)));
}

export interface WantedLibrary {
  /** Takes this one alone; the best there is when absent. */
  readonly runtime?: RuntimeName | undefined;
  /** Whether engines are to be built, not only run. */
  readonly mustBuild: boolean;
  /** The GPU that they are to run on; null where none is here, or any will do. */
  readonly device: NativeDevice | null;
}

export interface LibraryChoice {
  /** Null where none will do. */
  readonly chosen: NativeLibrary | null;
  /** The others, each with the reason. */
  readonly others: readonly {
    readonly library: NativeLibrary;
    readonly reason: string;
    readonly hint: string | null;
  }[];
}

/**
 * Takes the first library that will do.
 *
 * @param libraries the best first, as the addon gives them
 */
export function chooseLibrary(libraries: readonly NativeLibrary[], wanted: WantedLibrary): LibraryChoice {
  const chosen = libraries.find((library) => unfit(library, wanted) === null) ?? null;
  const others = libraries
    .filter((library) => library !== chosen)
    .map((library) => {
      const reason = unfit(library, wanted) ?? `${describeLibrary(chosen as NativeLibrary)} comes before it`;
      return { library, reason, hint: library.problem === null ? null : library.hint };
    });
  return { chosen, others };
}

/** Why a library will not do, or null. */
function unfit(library: NativeLibrary, { runtime, mustBuild, device }: WantedLibrary): string | null {
  if (library.problem !== null) return library.problem;
  if (runtime !== undefined && runtimeOf(library) !== runtime) return `it is ${runtimeOf(library)}, not ${runtime}`;
  if (device !== null && library.kind === 'rtx' && !rtxKnows(device)) {
    return `it has no code for ${device.name}, whose compute capability is ${device.computeCapability}`;
  }
  if (mustBuild && !library.canBuild) return 'it can run engines, but not build them';
  return null;
}

export function runtimeOf(library: NativeLibrary): RuntimeName {
  return library.kind === 'rtx' ? 'tensorrt-rtx' : 'tensorrt';
}

/** Name and version, for example `tensorrt 10.15.1`. */
export function describeLibrary(library: NativeLibrary): string {
  return `${runtimeOf(library)} ${library.version}`;
}
