import type { ModelDescription } from '../../model/description.js';
import type { NetworkName, NetworkTensor } from '../backend.js';
import { childEntry, type ProcessKind } from '../process/runtime-process.js';

export const ONNXRUNTIME: ProcessKind = {
  entry: childEntry(import.meta.url, 'child.js'),
  runtime: 'onnxruntime-node',
  installHint:
    'The CPU backend runs on Linux with glibc (x64, arm64), macOS (arm64) and Windows (x64, arm64). Where it should run, install @t2i/sdk again; in a clone, run `npm run build`.',
};

/** What the child's `load` takes. */
export interface LoadRequest {
  readonly model: ModelDescription;
  readonly threads: number | undefined;
}

/** What the child's `runNetwork` takes. */
export interface NetworkRequest {
  readonly model: ModelDescription;
  readonly network: NetworkName;
  readonly inputs: Readonly<Record<string, NetworkTensor>>;
}
