import type { ModelDescription, ModelWeights } from '../model/description.js';
import { describeModel } from '../model/layout.js';
import { findModelOf } from './find-model.js';
import { openHashCache } from './hash-cache.js';
import type { Io } from './io.js';
import { StatusLine } from './status-line.js';

/**
 * Reads and checks a model, which takes a second for each gigabyte the first time: its files are hashed once, and not again as long as
 * they are the same.
 *
 * @param weights as `describeModel` wants them
 * @throws T2IError as `describeModel` and `findModel`
 */
export async function readModel(
  nameOrDir: string | undefined,
  io: Io,
  weights?: ModelWeights,
): Promise<ModelDescription> {
  const dir = await findModelOf(nameOrDir, io);
  const line = new StatusLine(io);
  line.show(`reading the model in ${dir}`);
  try {
    const hashes = await openHashCache(io);
    const model = await describeModel(dir, io.signal, hashes, weights);
    await hashes.save();
    return model;
  } finally {
    line.clear();
  }
}
