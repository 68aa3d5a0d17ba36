import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Backend } from '../../src/backends/backend.js';
import { loadAddon } from '../../src/backends/tensorrt/addon.js';
import { engineCacheFolder } from '../../src/backends/tensorrt/engines/cache-folder.js';
import { ensureEngines } from '../../src/backends/tensorrt/engines/ensure-engines.js';
import type { EngineProfile } from '../../src/backends/tensorrt/engines/profiles.js';
import { findMachine, orThrow } from '../../src/backends/tensorrt/machine.js';
import { createTensorrt } from '../../src/backends/tensorrt/tensorrt.js';
import type { ModelDescription } from '../../src/model/description.js';
import { buildFolder } from './native.js';
import { toyReference } from './toy-networks.js';

/** The backend tensorrt on the simulated device, a stand-in of one major version of TensorRT and an engine cache of its own. */
export interface SimTensorrt {
  readonly backend: Backend;
  /** Points this process and the children that it starts from now on at the build `sim`, the stand-in and the cache. */
  use(): void;
  /** Builds engines for 1 to 4 pictures of 2 to 16 latent pixels a side, or of the size that the graphs fix. */
  build(model: ModelDescription): Promise<void>;
  /** Removes the cache. */
  cleanUp(): void;
}

const LATENTS = { min: 2, opt: 4, max: 16 };

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
      if (built.has(model.dir)) return;
      const { device, library } = orThrow(await findMachine({}));
      await ensureEngines({
        model,
        addon: loadAddon(),
        library,
        device,
        computeCapabilities: [],
        profile: model.fixedSize === null ? wideProfile() : null,
        dir: engineCacheFolder(),
        timingCache: null,
        reference: toyReference,
        signal: new AbortController().signal,
        onProgress: () => {},
      });
      built.add(model.dir);
    },
    cleanUp: () => rmSync(cache, { recursive: true }),
  };
}

function wideProfile(): EngineProfile {
  const shape = (batch: number, side: number) => ({ batch, height: side, width: side });
  return { min: shape(1, LATENTS.min), opt: shape(1, LATENTS.opt), max: shape(4, LATENTS.max) };
}
