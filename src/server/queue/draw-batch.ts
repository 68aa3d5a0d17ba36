import { T2IError } from '../../errors.js';
import type { Health } from '../health.js';
import type { ServerLog } from '../log.js';
import type { ServerMetrics } from '../metrics.js';
import type { ModelPool } from '../models/model-pool.js';
import type { ServedModels } from '../models/served-model.js';
import type { QueuedRequest } from './queued-request.js';
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
 * @throws T2IError as `Pipeline.load` and `Pipeline.stream`
 */
export async function drawBatch(
  { models, pool, metrics, health, log }: DrawingParts,
  members: readonly QueuedRequest[],
): Promise<void> {
  const model = members[0]?.model;
  metrics.batches.observe(members.length);
  try {
    const warnings = await pool.use(models.find(model), (pipeline) => runBatch(pipeline, members));
    health.succeeded();
    for (const message of warnings) log.warn({ model }, message);
  } catch (error) {
    if (T2IError.is(error) && error.code === 'BACKEND_CRASHED') {
      metrics.restarts.inc({ model: String(model) });
      health.crashed(error);
    }
    throw error;
  }
}
