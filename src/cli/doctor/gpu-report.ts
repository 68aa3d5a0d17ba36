import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { chooseLibrary, engineCacheFolder, type Inspection, inspect, type Missing } from '../../backends/engines.js';
import { T2IError } from '../../errors.js';

/** A TensorRT that was found, and whether it is the one that will be used. */
export type FoundLibrary = Extract<Inspection['libraries'], readonly unknown[]>[number] & {
  readonly chosen: boolean;
  /** Why it is not used; null for the chosen one. */
  readonly reason: string | null;
};

/** All that a GPU needs, as it was found here. */
export interface GpuReport {
  readonly addon: Inspection['addon'];
  /** Null without an addon. */
  readonly devices: Inspection['devices'];
  /** The best first. */
  readonly libraries: readonly FoundLibrary[] | Missing;
  readonly engines: EngineFolder | Missing;
}

interface EngineFolder {
  readonly dir: string;
  readonly files: number;
  readonly bytes: number;
}

/** Looks at addon, driver, GPUs, TensorRT and the engine cache; throws for none of them. */
export async function inspectGpu(): Promise<{ readonly inspection: Inspection; readonly report: GpuReport }> {
  const inspection = await inspect();
  const { addon, devices, libraries } = inspection;
  const report = {
    addon,
    devices,
    libraries: 'reason' in libraries ? libraries : explain(libraries, devices),
    engines: await measureCache(),
  };
  return { inspection, report };
}

function explain(
  libraries: Extract<Inspection['libraries'], readonly unknown[]>,
  devices: Inspection['devices'],
): FoundLibrary[] {
  const device = devices?.devices[0] ?? null;
  const { chosen, others } = chooseLibrary(libraries, { mustBuild: false, device });
  return libraries.map((library) => ({
    ...library,
    chosen: library === chosen,
    reason: others.find((other) => other.library === library)?.reason ?? null,
  }));
}

async function measureCache(): Promise<GpuReport['engines']> {
  try {
    return await measureFolder(engineCacheFolder());
  } catch (error) {
    if (!T2IError.is(error)) throw error;
    return { reason: error.message, hint: error.hint ?? '' };
  }
}

/** Sizes alone: the hashes of gigabytes would take long. */
async function measureFolder(dir: string): Promise<EngineFolder> {
  const names = await readdir(dir).catch(() => []);
  const engines = names.filter((name) => name.endsWith('.engine'));
  const sizes = await Promise.all(
    engines.map(async (name) => (await stat(join(dir, name)).catch(() => null))?.size ?? 0),
  );
  return { dir, files: engines.length, bytes: sizes.reduce((sum, size) => sum + size, 0) };
}
