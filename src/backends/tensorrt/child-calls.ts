import { builtEntry } from '../../built-entry.js';
import type { ImageEvent, Job, JobResult, StepEvent } from '../backend.js';
import type { ProcessKind } from '../process/runtime-process.js';
import type { CallContext } from '../process/service.js';
import type { NativeLibrary, NativeSearch } from './native.js';
import type { SessionRequest } from './open-native.js';

/** What the child offers that looks for libraries and that runs isolated sessions. */
export interface TensorrtService {
  libraries(search: NativeSearch): Promise<readonly NativeLibrary[]>;
  load(request: SessionRequest): Promise<void>;
  /** A job of the session that was loaded. */
  run(job: Job, context: CallContext<StepEvent | ImageEvent>): Promise<JobResult>;
}

export const TENSORRT_CHILD: ProcessKind<TensorrtService> = {
  entry: builtEntry(import.meta.url, 'child.js'),
  runtime: 'TensorRT',
  installHint: '`t2i doctor` shows what was found and what is missing.',
};
