import type { ModelDescription } from '../../model/description.js';
import type { Job, Raster, StepEvent, Timings } from '../backend.js';
import type { CallContext } from '../process/service.js';

/** What the child offers (trainer/t2i_trainer/backend/child.py). */
export interface PytorchService {
  load(request: LoadRequest): Promise<{ readonly runtime: string }>;
  draw(request: DrawRequest, context: CallContext<Omit<StepEvent, 'image'>>): Promise<Drawn>;
}

export interface LoadRequest {
  readonly dir: string;
  readonly weights: ModelDescription['weights'];
  /** Height and width of the model's own images, in pixels. */
  readonly imageSize: readonly [number, number];
  readonly latentChannels: number;
  readonly scalingFactor: number;
  readonly shiftFactor: number;
  readonly device: number;
  readonly threads: number | null;
}

/** One image of a job. */
export interface DrawRequest extends Omit<Job, 'seeds'> {
  /** Every block that the plan reads, one after the other. */
  readonly noise: Float32Array;
}

export interface Drawn {
  readonly raster: Raster;
  readonly timings: Omit<Timings, 'total'>;
}
