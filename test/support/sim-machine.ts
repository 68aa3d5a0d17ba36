import { copyFileSync, cpSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach } from 'vitest';
import type { LoadedAddon } from '../../src/backends/tensorrt/addon.js';
import type { EngineOptions } from '../../src/backends/tensorrt/engines/engine-options.js';
import type { NativeDevice, NativeLibrary } from '../../src/backends/tensorrt/native.js';
import type { ModelDescription } from '../../src/model/description.js';
import { describeModel } from '../../src/model/layout.js';
import { engineFolder } from './engines.js';
import { buildFolder, loadBuild } from './native.js';
import { toyReference } from './toy-networks.js';

// The simulated device with the stand-in TensorRT, and the tiny model for them.

const TINY = fileURLToPath(new URL('../fixtures/tiny', import.meta.url));
/** Null where it was not built. */
export const SIM = buildFolder('sim');
export const SMALL = { batch: 1, height: 4, width: 4 };
export const PROFILE = { min: SMALL, opt: SMALL, max: { ...SMALL, batch: 2 } };

/** @param fake folder of the stand-in */
export function simMachine(fake = 'fake-11'): { addon: LoadedAddon; library: NativeLibrary; device: NativeDevice } {
  const addon = { addon: loadBuild('sim'), path: join(SIM as string, 'Release', 't2i.node') };
  const [library] = addon.addon.libraries({ only: join(SIM as string, fake) });
  const [device] = addon.addon.devices().devices;
  if (!library || !device) throw new Error('the simulated machine has no TensorRT or no device');
  return { addon, library, device };
}

/** The tiny model's engines in a folder of their own, checked against the same toy networks in TypeScript. */
export async function simOptions(changes: Partial<EngineOptions> = {}): Promise<EngineOptions> {
  return {
    model: await describeModel(TINY),
    ...simMachine(),
    computeCapabilities: [],
    profile: PROFILE,
    dir: engineFolder(),
    verifyEngines: true,
    timingCache: null,
    reference: toyReference,
    signal: new AbortController().signal,
    onProgress: () => {},
    ...changes,
  };
}

/** The tiny model with its decoder written in half precision as well. */
export async function withHalfDecoder(): Promise<ModelDescription> {
  const dir = engineFolder();
  cpSync(TINY, dir, { recursive: true });
  copyFileSync(join(dir, 'vae_decoder/model.onnx'), join(dir, 'vae_decoder/model.fp16.onnx'));
  return describeModel(dir);
}

/** What goes wrong until the end of the test; see test/native/fake/common/failures.h. */
export function failWith(names: string): void {
  process.env.T2I_FAKE_TENSORRT = names;
}

afterEach(() => {
  delete process.env.T2I_FAKE_TENSORRT;
});
