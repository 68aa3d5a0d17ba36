import type { T2IError } from '../errors.js';
import { refuse } from '../fields.js';
import { DEFAULT_MODEL } from '../model/resolve.js';
import { Health } from './health.js';
import { ServerLimits } from './http/limits.js';
import { createLog } from './log.js';
import { ServerMetrics } from './metrics.js';
import { type Describe, findModels } from './models/find-models.js';
import { ServedModels } from './models/served-model.js';
import { checkServerOptions, type ServerOptions } from './options.js';
import { systemClock } from './queue/clock.js';
import { openDrawing } from './queue/open-queue.js';
import { Running } from './queue/running.js';
import type { RedisOptions } from './redis/address.js';
import { Sharing } from './redis/sharing.js';

/** How a worker is made: what a server has of it, too. */
export type WorkerOptions = Pick<
  ServerOptions,
  'models' | 'load' | 'memory' | 'preload' | 'batchWindow' | 'batchImages' | 'limits' | 'log'
> & { redis: Omit<RedisOptions, 'draws'> };

const WORKER_OPTIONS: readonly (keyof WorkerOptions)[] = [
  ...(['models', 'load', 'memory', 'preload', 'batchWindow', 'batchImages', 'limits', 'log', 'redis'] as const),
];

/** A process without HTTP that draws for servers. */
export interface Worker extends AsyncDisposable {
  /** Ids of the models that it draws with. */
  readonly models: readonly string[];
  /**
   * Takes nothing more and resolves when what it has is done; after so many milliseconds it gives that back, for others to draw.
   *
   * @returns whether all was done
   */
  drain(timeout: number): Promise<boolean>;
  /** Resolves with the reason when it cannot go on, since the process that runs the model ended too often in a row. */
  readonly broken: Promise<T2IError>;
  /** Gives back what it has, and closes the models. May be called twice. */
  close(): Promise<void>;
}

/**
 * Starts to draw what servers with the same Redis are asked for, of models that both have with the same files.
 *
 * @throws T2IError OPTION_INVALID, MODEL_NOT_FOUND, MODEL_INVALID, IO_FAILED, BACKEND_UNAVAILABLE, NETWORK_FAILED
 */
export function createWorker(options: WorkerOptions): Promise<Worker> {
  return createWorkerWith(undefined, options);
}

/**
 * As {@link createWorker}, for callers that know of other ways to describe a model.
 *
 * @param signal ends what opens the first model, with its reason
 * @internal
 */
export async function createWorkerWith(
  describe: Describe | undefined,
  options: WorkerOptions,
  signal?: AbortSignal,
): Promise<Worker> {
  checkServerOptions(options, WORKER_OPTIONS);
  if (options.redis === undefined)
    refuse([{ option: 'redis', expected: 'an address: { url, lock }', received: 'nothing' }]);
  const found = new ServedModels(await findModels(options.models ?? [DEFAULT_MODEL], options.load, describe));
  const log = createLog(options.log);
  const metrics = new ServerMetrics(() => ({ length: 0, running: 0 }));
  const health = new Health();
  const limits = new ServerLimits(options.limits);
  const parts = { models: found, limits, metrics, health, log, clock: systemClock, signal };
  const sharing = await Sharing.load({ ...parts, redis: options.redis });
  const { worker, pool } = await openDrawing(options, parts, sharing);
  const running = new Running(null, worker, pool);
  return {
    models: found.ids,
    broken: health.broken,
    drain: (timeout) => running.drain(timeout),
    close: () => running.close(),
    [Symbol.asyncDispose]: () => running.close(),
  };
}
