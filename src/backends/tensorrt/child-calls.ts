import { builtEntry } from '../../built-entry.js';
import type { ImageEvent, Job, JobResult, StepEvent } from '../backend.js';
import type { Failure } from '../process/failure.js';
import type { ProcessKind } from '../process/runtime-process.js';
import type { CallContext } from '../process/service.js';
import type { NativeLibrary, NativeSearch } from './native.js';
import type { SessionRequest } from './open-native.js';
import type { TensorrtSession } from './session.js';

/** What the child offers that looks for libraries and that runs isolated sessions. */
export interface TensorrtService {
  libraries(search: NativeSearch): Promise<readonly NativeLibrary[]>;
  load(request: SessionRequest): Promise<Pick<TensorrtSession, 'largestBatch'>>;
  /** Jobs of the session that was loaded, all at once. @returns what became of each */
  run(orders: readonly JobOrder[], context: CallContext<JobEvent>): Promise<readonly Outcome[]>;
}

export interface JobOrder {
  readonly job: Job;
  /** Whether anybody wants its events. */
  readonly watched: boolean;
}

export interface JobEvent {
  /** Index of its job in the call. */
  readonly index: number;
  readonly event: StepEvent | ImageEvent;
}

export type Outcome = { readonly result: JobResult } | { readonly failure: Failure };

export const TENSORRT_CHILD: ProcessKind<TensorrtService> = {
  entry: builtEntry(import.meta.url, 'child.js'),
  runtime: 'TensorRT',
  installHint: '`t2i doctor` shows what was found and what is missing.',
};
