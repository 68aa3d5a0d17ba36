import type { ModelDescription } from '../../model/description.js';
import type { NetworkName, NetworkTensor } from '../backend.js';
import { childEntry, type ProcessKind } from '../process/runtime-process.js';

export const ONNXRUNTIME: ProcessKind = {
  entry: childEntry(import.meta.url, 'child.js'),
  runtime: 'onnxruntime-node',
  installHint: 'Run `npm install onnxruntime-node`; `t2i doctor` shows every backend.',
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
