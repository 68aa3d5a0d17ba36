import { builtEntry } from '../../built-entry.js';
import type { ModelDescription } from '../../model/description.js';
import type { ImageEvent, Job, JobResult, NetworkName, NetworkTensor, StepEvent } from '../backend.js';
import type { ProcessKind } from '../process/runtime-process.js';
import type { CallContext } from '../process/service.js';

/**
 * Tensors of 4 MiB and more are memory of their own, which goes back to the system when they are freed; by its own choice glibc would
 * keep blocks of up to 32 MiB. Huge pages, where the system has them, make that cheap. Other C libraries ignore it.
 */
const MALLOC = ['hugetlb=1', `mmap_threshold=${4 << 20}`, `trim_threshold=${16 << 20}`]
  .map((setting) => `glibc.malloc.${setting}`)
  .join(':');

/** What the child offers. */
export interface OnnxruntimeService {
  load(request: LoadRequest, context: CallContext): Promise<void>;
  /** A job of the model that was loaded. */
  run(job: Job, context: CallContext<StepEvent | ImageEvent>): Promise<JobResult>;
  /** One forward of one network, of any model. */
  runNetwork(request: NetworkRequest, context: CallContext): Promise<NamedTensors>;
}

export const ONNXRUNTIME: ProcessKind<OnnxruntimeService> = {
  entry: builtEntry(import.meta.url, 'child.js'),
  runtime: 'onnxruntime-node',
  env: { GLIBC_TUNABLES: [MALLOC, process.env.GLIBC_TUNABLES].filter(Boolean).join(':') },
  installHint:
    'The CPU backend runs on Linux with glibc (x64, arm64), macOS (arm64) and Windows (x64, arm64). Where it should run, install @t2i/sdk again; in a clone, run `npm run build`.',
};

export interface LoadRequest {
  readonly model: ModelDescription;
  readonly threads: number | undefined;
}

export type NamedTensors = Readonly<Record<string, NetworkTensor>>;

export interface NetworkRequest {
  readonly model: ModelDescription;
  readonly network: NetworkName;
  readonly inputs: NamedTensors;
}
