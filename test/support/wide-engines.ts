import type { NetworkReference } from '../../src/backends/backend.js';
import { engineCacheFolder } from '../../src/backends/tensorrt/engines/cache-folder.js';
import { type EnsuredEngines, ensureEngines } from '../../src/backends/tensorrt/engines/model-engines.js';
import type { EngineProfile } from '../../src/backends/tensorrt/engines/profiles.js';
import { findMachine, orThrow } from '../../src/backends/tensorrt/machine.js';
import type { ModelDescription } from '../../src/model/description.js';

const SIDES = { min: 2, opt: 4, max: 16 };

/** Sees to engines for 1 to 4 images of 2 to 16 latent pixels a side, or of the size that the graphs fix, in this process's cache. */
export async function ensureWideEngines(model: ModelDescription, reference: NetworkReference): Promise<EnsuredEngines> {
  const { addon, device, library } = orThrow(await findMachine({}));
  return ensureEngines({
    model,
    addon,
    library,
    device,
    computeCapabilities: [],
    profile: model.fixedSize === null ? wideProfile() : null,
    dir: engineCacheFolder(),
    verifyEngines: true,
    timingCache: null,
    reference,
    signal: new AbortController().signal,
    onProgress: () => {},
  });
}

function wideProfile(): EngineProfile {
  const shape = (batch: number, side: number) => ({ batch, height: side, width: side });
  return { min: shape(1, SIDES.min), opt: shape(1, SIDES.opt), max: shape(4, SIDES.max) };
}
