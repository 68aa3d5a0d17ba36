import { copyFileSync, cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach } from 'vitest';
import type { LoadedAddon } from '../../src/backends/tensorrt/addon.js';
import type { EngineOptions } from '../../src/backends/tensorrt/engines/engine-options.js';
import type { NativeDevice, NativeLibrary } from '../../src/backends/tensorrt/native.js';
import type { ModelDescription } from '../../src/model/description.js';
import { describeModel } from '../../src/model/layout.js';
import { readOnnxFile } from '../../src/model/onnx-file.js';
import { engineFolder } from './engines.js';
import { buildFolder, loadBuild } from './native.js';
import { smallEngines } from './small-engines.js';
import { fnv1a } from './toy-networks.js';

// The simulated device with the stand-in TensorRT, and the tiny model for them.

const [FLOAT, BFLOAT16] = [1, 16];
const TINY = fileURLToPath(new URL('../fixtures/tiny', import.meta.url));
/** Null where it was not built. */
export const SIM = buildFolder('sim');

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
    ...smallEngines(),
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

/** The same with a graph in bf16 beside it. */
export async function withBf16Decoder(): Promise<ModelDescription> {
  const model = await withHalfDecoder();
  writeBf16(join(model.dir, 'vae_decoder'));
  return model;
}

/** Writes `model.bf16.onnx` beside a component's `model.onnx`: the same toy network, whose float32 inputs and outputs are bfloat16. */
export function writeBf16(folder: string): void {
  const path = join(folder, 'model.onnx');
  const [whole, graph] = [readFileSync(path), readFileSync(path)];
  const { inputs, outputs } = readOnnxFile(path);
  for (const { name, elementType } of [...inputs, ...outputs]) {
    if (elementType !== FLOAT) continue;
    // ValueInfoProto, behind all nodes: the name, and in its type first of all the element type.
    const value = graph.lastIndexOf(`${name}\x12`, undefined, 'latin1');
    graph[graph.indexOf(Uint8Array.of(8, FLOAT), value) + 1] = BFLOAT16;
  }
  // An unknown field changes nothing but the hash, whose last bits tell toy networks apart.
  for (let i = 0; i < 128; i++) {
    const bytes = Buffer.concat([graph, Uint8Array.of(0xf8, 0x07, i)]);
    if (((fnv1a(bytes) ^ fnv1a(whole)) & 15) !== 0) continue;
    writeFileSync(join(folder, 'model.bf16.onnx'), bytes);
    return;
  }
  throw new Error('no hash with the same last bits was found');
}

/** What goes wrong until the end of the test; see test/native/fake/common/failures.h. */
export function failWith(names: string): void {
  process.env.T2I_FAKE_TENSORRT = names;
}

/** The simulated device's until the end of the test, 75 for 7.5. */
export function setCompute(capability: number): void {
  process.env.T2I_SIM_COMPUTE = String(capability);
}

afterEach(() => {
  delete process.env.T2I_FAKE_TENSORRT;
  delete process.env.T2I_SIM_COMPUTE;
});
