import type { Health } from '../health.js';
import type { ServerLog } from '../log.js';
import type { ServerMetrics } from '../metrics.js';
import type { ModelPool } from '../models/model-pool.js';
import type { ServedModels } from '../models/served-model.js';
import { isCrash, isFaultOfServer } from './crash.js';
import type { Batch } from './queued-request.js';
import { runBatch } from './run-batch.js';

export interface DrawingParts {
  readonly models: ServedModels;
  readonly pool: ModelPool;
  readonly metrics: ServerMetrics;
  readonly health: Health;
  readonly log: ServerLog;
}

/**
 * Carries out a batch of the queue with its model open.
 *
 * @param onOpen called when it is
 * @throws T2IError as `Pipeline.load` and `Pipeline.stream`
 */
export async function drawBatch(
  { models, pool, metrics, health, log }: DrawingParts,
  batch: Batch,
  onOpen: () => void,
): Promise<void> {
  const [{ model }] = batch;
  metrics.batches.observe(batch.length);
  for (const member of batch) {
    member.onSettled(() => {
      if (member.state === 'completed') health.succeeded();
    });
  }
  try {
    const warnings = await pool.use(models.find(model), (pipeline) => {
      onOpen();
      return runBatch(pipeline, batch);
    });
    for (const message of warnings) log.warn({ model }, message);
  } catch (error) {
    if (isCrash(error)) metrics.restarts.inc({ model });
    if (isFaultOfServer(error)) health.failed(error);
    throw error;
  }
}
