import { type Issue, T2IError } from '../errors.js';
import { distinctIssues } from '../fields.js';
import type { GeneratedImage } from '../image/generated-image.js';
import { parseRequest, type Request, type RequestOptions } from '../options.js';
import { encodeTexts } from '../pipeline/prepare-job.js';
import type { Warning } from '../pipeline/warnings.js';
import type { ServerLimits } from './http/limits.js';
import { invalidRequest, refusal, refusalOf } from './http/refusal.js';
import type { ServerLog } from './log.js';
import type { ServerMetrics } from './metrics.js';
import type { ModelPool } from './models/model-pool.js';
import { limitsOfServed, type ServedModel, type ServedModels } from './models/served-model.js';
import type { JobOrder, QueuedRequest, RequestListeners } from './queue/queued-request.js';
import type { ServerQueue } from './queue/server-queue.js';
import { traceRequest } from './tracing.js';

/** Who asks, and how. */
export interface Asker extends RequestListeners {
  /** Name of the API. */
  readonly api: string;
  readonly caller: string;
  readonly requestId: string;
  /** Aborted when the client leaves. */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds that the client waits at most. */
  readonly timeout?: number | undefined;
  /** Where it can be asked after. */
  readonly job?: JobOrder | undefined;
}

/** A request that was found right. */
export interface CheckedRequest {
  readonly served: ServedModel;
  readonly request: Request;
  readonly warnings: readonly Warning[];
  /** Tokens of the prompt that the model reads. */
  readonly promptTokens: number;
}

/** A request that waits or runs, with what is known of it already. */
export interface AcceptedRequest extends CheckedRequest {
  readonly queued: QueuedRequest;
  readonly result: Promise<readonly GeneratedImage[]>;
}

export interface ServiceParts {
  readonly models: ServedModels;
  readonly pool: ModelPool;
  readonly queue: ServerQueue;
  readonly limits: ServerLimits;
  readonly metrics: ServerMetrics;
  readonly log: ServerLog;
  readonly logPrompts: boolean;
}

/** What every API of the server asks for images. */
export class ImageService {
  constructor(private readonly parts: ServiceParts) {}

  get models(): ServedModels {
    return this.parts.models;
  }

  get queue(): ServerQueue {
    return this.parts.queue;
  }

  get limits(): ServerLimits {
    return this.parts.limits;
  }

  /** The models that are open here, with the backend that runs each; null for one that is being opened. */
  get backends(): ReadonlyMap<string, string | null> {
    return this.parts.pool.backends;
  }

  /** @throws Refusal queue_full, draining where a request of this caller would not be taken now, whatever it is */
  admit(api: string, caller: string): void {
    this.#refusing(api, () => this.parts.queue.admit(caller));
  }

  /**
   * Checks a request, before anything waits or is opened for it.
   *
   * @param found mistakes that the API found itself, to be told with the others
   * @param nameOf what the API calls an option
   * @throws Refusal model_not_found; option_invalid with every mistake
   */
  check(
    model: string | undefined,
    options: RequestOptions,
    found: readonly Issue[] = [],
    nameOf: (option: string) => string = (option) => option,
  ): CheckedRequest {
    const served = this.models.find(model);
    const { limits } = this.parts;
    const named = (issues: readonly Issue[]) =>
      distinctIssues(issues.map((issue) => ({ ...issue, option: nameOf(issue.option) })));
    const issues = [...found, ...named(limits.issuesOf(options))];
    const known = new Set(issues.map(({ option }) => option));
    try {
      const request = parseRequest(options, limitsOfServed(served));
      // Again, with what a preset says.
      if (issues.length === 0) issues.push(...named(limits.issuesOf(request)));
      if (issues.length > 0) throw invalidRequest(issues);
      const { prompt, warnings } = encodeTexts(request, served.model, served.tokenizer);
      return { served, request, warnings, promptTokens: prompt.tokens };
    } catch (error) {
      if (!T2IError.is(error) || error.code !== 'OPTION_INVALID') throw error;
      throw invalidRequest([...issues, ...named(error.issues).filter(({ option }) => !known.has(option))]);
    }
  }

  /**
   * Puts a checked request into the queue. Who answers before its end awaits `accepted` first: a queue that is shared may refuse later.
   *
   * @throws Refusal queue_full, draining; the signal's reason where it is aborted already
   */
  submit(checked: CheckedRequest, asker: Asker): AcceptedRequest {
    const { queue, limits } = this.parts;
    const { served, request } = checked;
    const { api, caller, signal, onStart, onStep, onImage, job } = asker;
    const timeout = Math.min(asker.timeout ?? limits.timeout, limits.timeout);
    const order = { key: caller, model: served.id, request, api, signal, timeout, onStart, onStep, onImage, job };
    const queued = this.#refusing(api, () => queue.add(order));
    this.#follow(queued, asker);
    return { ...checked, queued, result: queued.result };
  }

  /** Counts what is not taken. */
  #refusing<T>(api: string, take: () => T): T {
    try {
      return take();
    } catch (error) {
      this.parts.metrics.requests.inc({ api, outcome: 'refused' });
      throw error;
    }
  }

  /** Counts, logs and traces what becomes of a request. */
  #follow(queued: QueuedRequest, { api, requestId, caller }: Asker): void {
    const { metrics, log, logPrompts } = this.parts;
    const { model, request } = queued;
    const { prompt, negativePrompt, seeds, steps, width, height, sampler } = request;
    const texts = logPrompts ? { prompt, negativePrompt } : {};
    const facts = { requestId, caller, api, model, n: seeds.length, steps, width, height, sampler };
    const span = traceRequest({ api, model, n: seeds.length, steps, width, height, sampler });
    let before = queued.state;
    queued.onStarted((waited) => {
      before = 'generating';
      metrics.phases.observe({ phase: 'queue' }, waited / 1000);
      span.started();
    });
    queued.onSettled((spent) => {
      const { state } = queued;
      metrics.requests.inc({ api, outcome: queued.wasRefused ? 'refused' : state });
      if (state === 'completed') {
        metrics.images.inc({ model }, seeds.length);
        metrics.phases.observe({ phase: 'generate' }, spent / 1000);
      }
      if (state === 'cancelled') metrics.aborts.inc({ state: before });
    });
    queued.result.then(
      () => {
        log.info({ ...facts, ...texts, seeds }, 'completed');
        span.end(null);
      },
      (error: unknown) => {
        const { code, status } = queued.state === 'cancelled' ? refusal('cancelled', 'left') : refusalOf(error);
        const bug = status >= 500 && status !== 503 && status !== 504;
        if (bug) log.error({ ...facts, ...texts, code, err: error }, 'failed');
        else log.info({ ...facts, ...texts, code }, queued.state);
        span.end(code);
      },
    );
  }
}
