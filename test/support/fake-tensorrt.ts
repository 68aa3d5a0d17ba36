import { readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { LoadedAddon } from '../../src/backends/tensorrt/addon.js';
import { componentOf, NETWORKS } from '../../src/backends/tensorrt/engines/components.js';
import type { EngineOptions } from '../../src/backends/tensorrt/engines/engine-options.js';
import { fromNative, toNative } from '../../src/backends/tensorrt/engines/tensors.js';
import type {
  NativeAddon,
  NativeBuildOptions,
  NativeBuildProgress,
  NativeDevice,
  NativeDevices,
  NativeLibrary,
  NativeSearch,
  NativeSession,
  NativeSessionOptions,
  NativeTensor,
} from '../../src/backends/tensorrt/native.js';
import type { ModelDescription, NetworkName } from '../../src/model/description.js';
import { tensorsOf } from '../../src/model/networks.js';
import { engineFolder } from './engines.js';
import { smallEngines } from './small-engines.js';
import { toyReference } from './toy-networks.js';

/** The addons that the files of this process's stand-ins give to whoever loads them. */
const addons: Map<string, NativeAddon> = new Map();
Object.assign(globalThis, { t2iFakeAddons: addons });

const { version: VERSION } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));

export const GPU: NativeDevice = { index: 0, name: 'NVIDIA L4', computeCapability: '8.9', memoryBytes: 24 * 2 ** 30 };

/**
 * An addon in JavaScript, for tests of what is asked of it and made of its answers. Its engines hold the path of the graph that they were
 * built from, and give what the toy networks of the model give. Whoever loads `path` gets it.
 */
export class FakeTensorrt {
  readonly #folder = engineFolder();
  readonly path = join(this.#folder, 'fake-addon.cjs');
  /** What was asked of it, in order. */
  readonly builds: NativeBuildOptions[] = [];
  readonly runs: string[] = [];
  readonly searches: NativeSearch[] = [];
  readonly opened: NativeSessionOptions[] = [];
  libraries: readonly NativeLibrary[] = [this.library()];
  devices: NativeDevices = {
    ...{ kind: 'cuda', available: true, reason: '', hint: '', driver: '13.1', runtime: '13.0' },
    devices: [GPU],
  };
  /** What goes wrong, or takes long, in the build from a graph. */
  building: (options: NativeBuildOptions, signal: AbortSignal | null) => Promise<void> | void = () => {};
  /** Changes what the engine of a graph gives; takes part in nothing else. */
  spoil: (onnx: string, values: Float32Array) => void = () => {};
  /** Gives the session that is opened. */
  session: (options: NativeSessionOptions) => NativeSession = () => {
    throw new Error('no session was expected');
  };

  constructor(readonly model: ModelDescription) {
    writeFileSync(this.path, 'module.exports = globalThis.t2iFakeAddons.get(__filename);\n');
    addons.set(this.path, this.loaded.addon);
  }

  get loaded(): LoadedAddon {
    return { path: this.path, addon: this.#addon };
  }

  /** A TensorRT whose file is there. */
  library(changes: Partial<NativeLibrary> = {}): NativeLibrary {
    const [path, parserPath] = ['libnvinfer.so.10', 'libnvonnxparser.so.10'].map((name) => join(this.#folder, name));
    writeFileSync(path as string, '');
    const whole = { version: '10.15.1', canBuild: true, problem: null, hint: null, notes: [] };
    return { kind: 'full', path: path as string, parserPath: parserPath as string, ...whole, ...changes };
  }

  /** For the engines of the model in a folder of their own. */
  options(changes: Partial<EngineOptions> = {}): EngineOptions {
    return {
      model: this.model,
      addon: this.loaded,
      library: this.libraries[0] as NativeLibrary,
      device: this.devices.devices[0] ?? null,
      ...smallEngines(),
      ...changes,
    };
  }

  /** Graphs that were built from, in order, for example `unet/model.onnx`. */
  get built(): string[] {
    return this.builds.map(({ onnx }) => nameOf(onnx));
  }

  readonly #addon = {
    version: VERSION,
    devices: () => this.devices,
    libraries: (search: NativeSearch) => {
      this.searches.push(search);
      return this.libraries;
    },
    Session: {
      open: async (options: NativeSessionOptions) => {
        this.opened.push(options);
        return this.session(options);
      },
    },
    buildEngine: async (
      options: NativeBuildOptions,
      signal: AbortSignal | null,
      onProgress: ((progress: NativeBuildProgress) => void) | null,
    ) => {
      this.builds.push(options);
      await this.building(options, signal);
      onProgress?.({ phase: 'Choosing kernels', step: 1, steps: 2, fraction: 0.5 });
      onProgress?.({ phase: 'Choosing kernels', step: 2, steps: 2, fraction: 1 });
      const [recorded, name] = [options.timingCache ?? [], nameOf(options.onnx)];
      return {
        serialized: Buffer.from(options.onnx),
        timingCache: Uint8Array.from([...recorded, this.builds.length]),
        log: [`${name} was built`],
      };
    },
    runEngine: async ({ serialized }: { serialized: Uint8Array }, inputs: Readonly<Record<string, NativeTensor>>) => {
      const onnx = Buffer.from(serialized).toString();
      this.runs.push(nameOf(onnx));
      const network = NETWORKS.find((each) => componentOf(each) === basename(dirname(onnx))) as NetworkName;
      const values = Object.fromEntries(Object.entries(inputs).map(([name, tensor]) => [name, fromNative(tensor)]));
      const { output } = tensorsOf(this.model, network);
      const outputs = await toyReference.run(this.model, network, values, new AbortController().signal);
      const given = outputs[output.name];
      if (given === undefined) throw new Error(`the toy networks have no ${output.name}`);
      this.spoil(onnx, given.data);
      return { [output.name]: toNative(given, output.type) };
    },
  } as unknown as NativeAddon;
}

/** Of a graph, with its folder. */
function nameOf(onnx: string): string {
  return join(basename(dirname(onnx)), basename(onnx));
}
