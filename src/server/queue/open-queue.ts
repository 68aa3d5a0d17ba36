import type { ServerLimits } from '../http/limits.js';
import { ModelPool } from '../models/model-pool.js';
import type { ServedModel } from '../models/served-model.js';
import type { ServerOptions } from '../options.js';
import type { OrderStore } from '../redis/order-store.js';
import type { SharedQueue } from '../redis/shared-queue.js';
import type { SharedWorker } from '../redis/shared-worker.js';
import { Sharing } from '../redis/sharing.js';
import type { Clock } from './clock.js';
import { type DrawingParts, drawBatch } from './draw-batch.js';
import { RequestQueue } from './request-queue.js';
import type { ServerQueue } from './server-queue.js';

export interface QueueParts extends Omit<DrawingParts, 'pool'> {
  readonly limits: ServerLimits;
  readonly clock: Clock;
  /** Ends the opening of a model that is opened at once. */
  readonly signal?: AbortSignal | undefined;
}

/** How many requests may wait. */
export interface QueueBounds {
  readonly limit: number;
  readonly limitPerKey: number;
}

/** Where requests wait, and what carries them out here. */
export interface OpenQueue {
  readonly queue: ServerQueue;
  readonly pool: ModelPool;
  /** Draws what the shared queue has; null where there is none, or this process does not draw for it. */
  readonly worker: SharedWorker | null;
  /** The shared one; null where the queue is this server's own. */
  readonly shared: { readonly queue: SharedQueue; readonly store: OrderStore } | null;
}

export type DrawingOptions = Pick<ServerOptions, 'memory' | 'preload' | 'batchWindow' | 'batchImages' | 'redis'>;

/** An own queue holds no more than the worker took from the shared one. */
const UNBOUNDED: QueueBounds = { limit: 100_000, limitPerKey: 100_000 };

/**
 * Opens the queue of a server: its own, or one shared over a Redis, with a worker that draws for it.
 *
 * @throws T2IError as `Pipeline.load` where the first model is opened at once; BACKEND_UNAVAILABLE, NETWORK_FAILED
 */
export async function openQueue(options: DrawingOptions, parts: QueueParts, bounds: QueueBounds): Promise<OpenQueue> {
  const { redis } = options;
  if (redis === undefined) {
    const pool = await openPool(options, parts);
    return { queue: ownQueue(options, parts, pool, bounds), pool, worker: null, shared: null };
  }
  const sharing = await Sharing.load({ ...parts, redis });
  const shared = await sharing.openQueue(bounds);
  const { queue } = shared;
  parts.metrics.share(queue);
  try {
    if (redis.draws === false)
      return { queue, pool: await openPool({ ...options, preload: false }, parts), worker: null, shared };
    return { queue, shared, ...(await openDrawing(options, parts, sharing)) };
  } catch (error) {
    await queue.close();
    throw error;
  }
}

/** Opens what draws for a shared queue, and starts it. */
export async function openDrawing(
  options: DrawingOptions,
  parts: QueueParts,
  sharing: Sharing,
): Promise<{ readonly pool: ModelPool; readonly worker: SharedWorker }> {
  const { batchWindow = 5, batchImages = 8 } = options;
  const pool = await openPool(options, parts);
  const queue = ownQueue({ batchWindow: 0, batchImages }, parts, pool, UNBOUNDED);
  const onOrder = (outcome: string) => parts.metrics.orders.inc({ outcome });
  try {
    const worker = await sharing.openWorker({ queue, batchWindow, batchImages, onOrder });
    worker.start();
    return { pool, worker };
  } catch (error) {
    await pool.close();
    throw error;
  }
}

function ownQueue(
  { batchWindow = 5, batchImages = 8 }: DrawingOptions,
  parts: QueueParts,
  pool: ModelPool,
  bounds: QueueBounds,
): RequestQueue {
  const { clock } = parts;
  const run: ConstructorParameters<typeof RequestQueue>[0]['run'] = (batch, onOpen) =>
    drawBatch({ ...parts, pool }, batch, onOpen);
  return new RequestQueue({ ...bounds, batchWindow, batchImages, clock, run });
}

async function openPool(options: DrawingOptions, { models, metrics, log, signal }: QueueParts): Promise<ModelPool> {
  const pool = new ModelPool(models.all, {
    memory: options.memory ?? null,
    onOpen: (model, milliseconds) => {
      metrics.phases.observe({ phase: 'load' }, milliseconds / 1000);
      log.info({ model, milliseconds: Math.round(milliseconds) }, 'model opened');
    },
    onClose: (model) => log.info({ model }, 'model closed'),
  });
  if (options.preload) await preload(pool, models.find(undefined), signal);
  return pool;
}

/** @throws the signal's reason when aborted: with TensorRT it may take minutes */
async function preload(pool: ModelPool, model: ServedModel, signal: AbortSignal | undefined): Promise<void> {
  signal?.throwIfAborted();
  const end = () => void pool.close();
  signal?.addEventListener('abort', end);
  try {
    await pool.use(model, async () => {});
  } finally {
    signal?.removeEventListener('abort', end);
    signal?.throwIfAborted();
  }
}
