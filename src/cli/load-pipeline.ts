import type { ModelDescription } from '../model/description.js';
import type { LoadOptions } from '../options.js';
import { Pipeline } from '../pipeline.js';
import { EngineProgress } from './engines/open-progress.js';
import type { Io } from './io.js';
import { readModel } from './read-model.js';
import { StatusLine } from './status-line.js';

/**
 * Loads a pipeline, and shows that it does; the first time on a GPU that takes minutes, whose progress is shown. Ends when the
 * program is to.
 *
 * @param known the model of the options, where it was read already
 */
export async function loadPipeline(options: LoadOptions, io: Io, known?: ModelDescription): Promise<Pipeline> {
  const line = new StatusLine(io);
  const progress = new EngineProgress(io);
  const describe: Parameters<typeof Pipeline.loadWith>[0] = async (nameOrDir, _signal, _onProgress, weights) => {
    const model = known ?? (await readModel(nameOrDir, io, weights));
    line.show(`loading the model ${model.name}`);
    return model;
  };
  try {
    return await Pipeline.loadWith(describe, { ...options, onProgress: progress.update, signal: io.signal });
  } finally {
    line.clear();
  }
}
