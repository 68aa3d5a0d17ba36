import type { LoadOptions } from '../options.js';
import { Pipeline } from '../pipeline.js';
import { EngineProgress } from './engines/open-progress.js';
import type { Io } from './io.js';

/** Loads a pipeline; the first time on a GPU that takes minutes, which are shown. Ends when the program is to. */
export async function loadPipeline(options: LoadOptions, io: Io): Promise<Pipeline> {
  const progress = new EngineProgress(io);
  try {
    return await Pipeline.load({ ...options, onProgress: progress.update, signal: io.signal });
  } finally {
    progress.clear();
  }
}
