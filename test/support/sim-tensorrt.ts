import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Backend } from '../../src/backends/backend.js';
import { createTensorrt } from '../../src/backends/tensorrt/tensorrt.js';
import type { ModelDescription } from '../../src/model/description.js';
import { buildFolder } from './native.js';
import { toyReference } from './toy-networks.js';
import { ensureWideEngines } from './wide-engines.js';

/** The backend tensorrt on the simulated device, a stand-in of one major version of TensorRT and an engine cache of its own. */
export interface SimTensorrt {
  readonly backend: Backend;
  /** Points this process and the children that it starts from now on at the build `sim`, the stand-in and the cache. */
  use(): void;
  /** Builds engines for small images of many sizes, once. */
  build(model: ModelDescription): Promise<void>;
  /** Removes the cache. */
  cleanUp(): void;
}

/** @returns null, after a warning, where the build `sim` is missing */
export function simTensorrt(major: 10 | 11): SimTensorrt | null {
  const folder = buildFolder('sim');
  if (folder === null) return null;
  const cache = mkdtempSync(join(tmpdir(), 't2i-engines-'));
  const built = new Set<string>();
  return {
    backend: createTensorrt(toyReference),
    use() {
      process.env.T2I_ADDON = join(folder, 'Release', 't2i.node');
      process.env.T2I_TENSORRT_LIB_DIR = join(folder, `fake-${major}`);
      process.env.T2I_ENGINE_CACHE = cache;
    },
    async build(model) {
      if (!built.has(model.dir)) await ensureWideEngines(model, toyReference);
      built.add(model.dir);
    },
    cleanUp: () => rmSync(cache, { recursive: true }),
  };
}
