import type { T2IError } from '../errors.js';
import { refuse } from '../fields.js';
import { DEFAULT_MODEL } from '../model/resolve.js';
import { a1111Dialect } from './a1111/dialect.js';
import { adminDialect } from './admin/dialect.js';
import { type App, createApp } from './app.js';
import { capabilitiesDialect } from './capabilities.js';
import { Health } from './health.js';
import { ApiKeys } from './http/keys.js';
import { ServerLimits } from './http/limits.js';
import type { Dialect } from './http/operation.js';
import { ImageStore } from './images/image-store.js';
import { jobsDialect } from './jobs/dialect.js';
import { JobStore } from './jobs/job-store.js';
import { kserveDialect } from './kserve/dialect.js';
import { createLog } from './log.js';
import { ServerMetrics } from './metrics.js';
import { type Describe, findModels } from './models/find-models.js';
import { limitsOfServed, type ServedModel, ServedModels } from './models/served-model.js';
import { openaiDialect } from './openai/dialect.js';
import { openapiDialect } from './openapi.js';
import { checkServerOptions, type ServerOptions } from './options.js';
import { pageDialect } from './page/dialect.js';
import { type Clock, systemClock } from './queue/clock.js';
import { openQueue } from './queue/open-queue.js';
import { Running } from './queue/running.js';
import type { ServerQueue } from './queue/server-queue.js';
import { SharedJobs } from './redis/shared-jobs.js';
import { sagemakerDialect } from './sagemaker/dialect.js';
import { ImageService } from './service.js';
import { torchserveDialect } from './torchserve/dialect.js';

/** A server without a socket: handlers to mount wherever a `Request` becomes a `Response`. */
export interface Server extends AsyncDisposable {
  /** All routes for clients. */
  readonly fetch: (request: Request, env?: unknown) => Promise<Response>;
  /** Health and metrics, for a listener of their own. */
  readonly admin: { readonly fetch: (request: Request, env?: unknown) => Promise<Response> };
  /** Ids of the models, the default first. */
  readonly models: readonly string[];
  /**
   * Resolves with the reason when it cannot go on, since the process that runs the model ended too often in a row; `/healthz` is 503 then.
   * What runs here is best ended, for whoever started it to start it anew.
   */
  readonly broken: Promise<T2IError>;
  /**
   * Refuses new requests with 503 and resolves when those that are here are done; after so many milliseconds they are ended.
   *
   * @returns whether all were done
   */
  drain(timeout: number): Promise<boolean>;
  /** Ends all requests and closes the models; pipelines that were given stay open. May be called twice. */
  close(): Promise<void>;
}

/**
 * Makes the HTTP server of some models: OpenAI's image API and others on one queue. Models are read and checked now, and opened when they
 * are first asked for.
 *
 * @throws T2IError OPTION_INVALID with every mistake in `issues`; MODEL_NOT_FOUND, MODEL_INVALID, IO_FAILED
 */
export function createServer(options: ServerOptions = {}): Promise<Server> {
  return createServerWith(undefined, options);
}

/**
 * As {@link createServer}, for callers that know of other ways to describe a model.
 *
 * @param signal ends what opens the first model, with its reason
 * @internal
 */
export async function createServerWith(
  describe: Describe | undefined,
  options: ServerOptions,
  signal?: AbortSignal,
): Promise<Server> {
  checkServerOptions(options);
  const { models = [DEFAULT_MODEL], load } = options;
  const { server } = await assembleServer(await findModels(models, load, describe), options, systemClock, signal);
  return server;
}

/** Milliseconds that a finished job can be asked after, and the most bytes of all their images. */
const JOBS_KEPT = 600_000;
const JOBS_BYTES = 256 << 20;

/** What tests look into. */
export interface Assembled {
  readonly server: Server;
  readonly app: App;
  readonly admin: App;
  readonly service: ImageService;
  readonly queue: ServerQueue;
  readonly metrics: ServerMetrics;
}

/** As {@link createServer}, of models that are found already. */
export async function assembleServer(
  found: readonly ServedModel[],
  options: ServerOptions,
  clock: Clock = systemClock,
  signal?: AbortSignal,
): Promise<Assembled> {
  const log = createLog(options.log);
  const keys = options.apiKeys ? ApiKeys.read(options.apiKeys).keys : null;
  const models = new ServedModels(found);
  const limits = new ServerLimits(options.limits);
  refuse(models.all.flatMap((served) => limits.issuesWith(served.id, limitsOfServed(served))));
  const store = options.imageStore ? await ImageStore.open(options.imageStore) : null;
  const startedAt = new Date();
  const metrics: ServerMetrics = new ServerMetrics(() => queue);
  const health = new Health();
  const limit = options.queue ?? 64;
  const limitPerKey = options.queuePerKey ?? ((keys?.count ?? 0) > 1 ? Math.ceil(limit / 2) : limit);
  const { queue, pool, worker, shared } = await openQueue(
    options,
    { models, limits, metrics, health, log, clock, signal },
    { limit, limitPerKey },
  );
  const logPrompts = options.logPrompts ?? false;
  const service: ImageService = new ImageService({ models, pool, queue, limits, metrics, log, logPrompts });
  const others = shared && new SharedJobs(service, shared.queue, shared.store, log);
  const jobs = new JobStore({ ttl: JOBS_KEPT, maxBytes: JOBS_BYTES, clock, others });
  const apis: readonly Dialect[] = [
    jobsDialect(service, jobs, JOBS_KEPT),
    capabilitiesDialect(service, store !== null),
    a1111Dialect(service),
    sagemakerDialect(service, health),
    torchserveDialect(service),
    kserveDialect(service),
    // Owns what none before it does.
    openaiDialect(service, store, startedAt),
  ];
  const common = {
    ...{ keys, hosts: options.hosts ?? null, origins: options.cors ?? [], bodyBytes: limits.bodyBytes, metrics, log },
  };
  const app = createApp({ ...common, dialects: [pageDialect(), openapiDialect(apis), ...apis] });
  const admin = createApp({ ...common, dialects: [adminDialect(queue, metrics, health)] });
  const running = new Running(queue, worker, {
    close: async () => {
      await pool.close();
      store?.close();
    },
  });
  const server: Server = {
    broken: health.broken,
    fetch: async (request, env) => app.fetch(request, env as object),
    admin: { fetch: async (request, env) => admin.fetch(request, env as object) },
    models: models.ids,
    drain: (timeout) => running.drain(timeout),
    close: () => running.close(),
    [Symbol.asyncDispose]: () => running.close(),
  };
  return { server, app, admin, service, queue, metrics };
}
