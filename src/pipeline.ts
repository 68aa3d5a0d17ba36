// For users whose TypeScript has no `lib` with AsyncDisposable.
/// <reference lib="esnext.disposable" preserve="true" />
import type { ImageEvent, Session, StepEvent } from './backends/backend.js';
import { openSelected, selectBackend } from './backends/select.js';
import { T2IError, T2IInternalError } from './errors.js';
import { findModel } from './hub/find-model.js';
import { GeneratedImage } from './image/generated-image.js';
import { loadSharp } from './image/sharp.js';
import type { ModelDescription, ModelWeights } from './model/description.js';
import { describeModel } from './model/layout.js';
import { loadTokenizer } from './model/tokenizer.js';
import {
  type LoadOptions,
  parseLoadOptions,
  parseRequest,
  type Request,
  type RequestLimits,
  type RequestOptions,
} from './options.js';
import { AbortSignals, type LinkedAbort } from './pipeline/abort-signals.js';
import { EventQueue } from './pipeline/event-queue.js';
import type { BackendReport, GenerateResult, StepProgress, StreamEvent } from './pipeline/events.js';
import { limitsOf } from './pipeline/limits.js';
import { prepareJob } from './pipeline/prepare-job.js';
import { makeReceipt } from './pipeline/receipts.js';
import { cappedThreads } from './pipeline/threads.js';
import type { Warning } from './pipeline/warnings.js';
import type { ClipTokenizer } from './text/clip-tokenizer.js';

/** A request and how to follow it. */
export interface GenerateOptions extends RequestOptions {
  /** Aborting rejects with the signal's reason, within one step. */
  signal?: AbortSignal | undefined;
  /** Called after each step of each image. What it throws ends the request and rejects with it. */
  onStep?: ((event: StepProgress) => void) | undefined;
}

/**
 * What a pipeline is made of; it owns the session and closes it.
 *
 * @internal
 */
export interface PipelineParts {
  readonly model: ModelDescription;
  readonly tokenizer: ClipTokenizer;
  readonly session: Session;
  readonly backend: BackendReport;
  /** Most requests that wait. Default: {@link DEFAULT_MAX_QUEUE}. */
  readonly maxQueue?: number | undefined;
  /** What every result warns of. */
  readonly warnings?: readonly Warning[];
}

const DEFAULT_MAX_QUEUE = 1000;

/** Who hears of a request while it is carried out. */
interface Listeners {
  readonly onStep?: ((event: StepProgress) => unknown) | undefined;
  readonly onImage?: ((index: number, image: GeneratedImage) => void) | undefined;
}

/**
 * A loaded model that turns prompts into images.
 *
 *     await using t2i = await Pipeline.load();
 *     const { images } = await t2i.generate({ prompt: 'a red apple', seed: 7 });
 *     await images[0].toFile('apple.png');
 */
export class Pipeline implements AsyncDisposable {
  readonly #parts: PipelineParts;
  readonly #limits: RequestLimits;
  readonly #signals = new AbortSignals();
  /** Requests that are accepted and not settled. */
  #pending = 0;
  #closed: Promise<void> | null = null;

  /** @internal Use {@link Pipeline.load}. */
  constructor(parts: PipelineParts) {
    this.#parts = parts;
    this.#limits = limitsOf(parts.model);
  }

  /**
   * Reads and checks a model, chooses a backend and opens the model in it. On a GPU the first load builds engines, which takes
   * minutes; later ones find them in the cache. A model of the Hub is fetched first, or what is missing of it.
   *
   * @throws T2IError OPTION_INVALID, MODEL_NOT_FOUND, NETWORK_FAILED, ACCESS_DENIED, DOWNLOAD_INVALID, MODEL_INVALID, BACKEND_UNAVAILABLE, CODEC_UNAVAILABLE, BACKEND_CRASHED,
   *   OUT_OF_MEMORY, ENGINE_INVALID, ENGINE_BUILD_FAILED, ENGINE_INACCURATE, DEVICE_LOST; the signal's reason when aborted
   */
  static load(options: LoadOptions = {}): Promise<Pipeline> {
    return Pipeline.loadWith(findAndDescribe, options);
  }

  /**
   * As {@link Pipeline.load}, for callers that know of other ways to describe a model.
   *
   * @internal
   */
  static async loadWith(
    describe: (
      nameOrDir: string | undefined,
      signal: AbortSignal | undefined,
      onProgress: LoadOptions['onProgress'],
      weights: ModelWeights | undefined,
    ) => Promise<ModelDescription>,
    options: LoadOptions,
  ): Promise<Pipeline> {
    const { model: nameOrDir, backend: wanted = 'auto', maxQueue, ...open } = parseLoadOptions(options);
    const { signal } = open;
    signal?.throwIfAborted();
    const { threads, warnings } = cappedThreads(open.threads);
    const opening = { ...open, threads };
    // Images that cannot be encoded would be drawn in vain.
    const [selection] = await Promise.all([selectBackend(wanted, opening), loadSharp()]);
    const model = await describe(nameOrDir, signal, options.onProgress, selection.backend.weights);
    const tokenizer = await loadTokenizer(model);
    signal?.throwIfAborted();
    const { backend, tried, session } = await openSelected(selection, model, opening);
    const { runtime, engines, precisions } = session;
    return new Pipeline({
      model,
      tokenizer,
      session,
      backend: { name: backend.name, runtime, ...(engines && { engines }), ...(precisions && { precisions }), tried },
      maxQueue,
      warnings,
    });
  }

  /** What was read from the model's files. */
  get model(): ModelDescription {
    return this.#parts.model;
  }

  /** Backend that runs the model, and why it was chosen. */
  get backend(): BackendReport {
    return this.#parts.backend;
  }

  /**
   * Makes one image for each seed. Calls may overlap; they are carried out in order.
   *
   * @throws T2IError OPTION_INVALID with every mistake in `issues`, QUEUE_FULL, CLOSED, BACKEND_FAILED, BACKEND_CRASHED,
   *   OUT_OF_MEMORY, DEVICE_LOST, MODEL_INVALID where the model's files changed before a restart; the signal's reason when aborted
   */
  async generate(options: GenerateOptions): Promise<GenerateResult> {
    const { request, abort } = this.#accept(options);
    return this.#run(request, abort, { onStep: options.onStep });
  }

  /**
   * As {@link Pipeline.generate}, as a loop: the steps and the images as they are done, then the rest of the result.
   * Leaving the loop ends the request.
   *
   * @throws T2IError as `generate`, from the loop
   */
  async *stream(options: GenerateOptions): AsyncGenerator<StreamEvent, void, undefined> {
    const { request, abort } = this.#accept(options);
    const queue = new EventQueue();
    const running = this.#run(request, abort, {
      onStep: (event) => {
        const told: unknown = options.onStep?.(event);
        queue.push({ type: 'step', ...event });
        return told;
      },
      onImage: (index, image) => queue.push({ type: 'image', index, image }),
    }).finally(() => queue.end());
    // Reported where it is awaited; until then it must not count as unhandled.
    running.catch(() => {});
    try {
      yield* queue;
      const { images: _, ...rest } = await running;
      yield { type: 'done', ...rest };
    } finally {
      abort.abort(new DOMException('The loop over the stream was left', 'AbortError'));
      await running.catch(() => {});
    }
  }

  /** Refuses new requests, ends the running ones with CLOSED and frees the model. May be called twice. */
  close(): Promise<void> {
    this.#closed ??= this.#parts.session.close();
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #accept(options: GenerateOptions): { request: Request; abort: LinkedAbort } {
    this.#refuseClosed();
    const request = parseRequest(options, this.#limits);
    this.#refuseFull();
    return { request, abort: this.#signals.link(options.signal) };
  }

  /** Carries out what was accepted, and counts it until it is settled. */
  async #run(request: Request, abort: LinkedAbort, listeners: Listeners): Promise<GenerateResult> {
    this.#pending++;
    try {
      return await this.#draw(request, abort, listeners);
    } finally {
      this.#pending--;
      abort.release();
    }
  }

  async #draw(request: Request, abort: LinkedAbort, { onStep, onImage }: Listeners): Promise<GenerateResult> {
    const { model, tokenizer, session, backend, warnings: ofLoad = [] } = this.#parts;
    const { job, warnings } = prepareJob(request, model, tokenizer);
    const source = { request, plan: job.plan, model, backend };
    const finish = ({ image, raster: { rgb }, noiseSha256 }: ImageEvent) =>
      new GeneratedImage(rgb, makeReceipt(source, { seed: request.seeds[image] as number, noiseSha256, rgb }));
    const told: GeneratedImage[] = [];
    const result = await session.generate(job, {
      signal: abort.signal,
      onStep: onStep && follow(request, abort, onStep),
      onImage:
        onImage &&
        ((event) => {
          told[event.image] = finish(event);
          onImage(event.image, told[event.image] as GeneratedImage);
        }),
    });
    // Whoever aborts gets the reason, also when the last step was quicker.
    abort.signal.throwIfAborted();
    const images = job.seeds.map((_, image) => {
      const [raster, noiseSha256] = [result.images[image], result.noiseSha256[image]];
      if (!raster || !noiseSha256)
        throw new T2IInternalError(`The backend made ${result.images.length} of ${job.seeds.length} images`);
      return told[image] ?? finish({ image, raster, noiseSha256 });
    });
    const fallbacks = result.warnings ?? [];
    return {
      // A request has at least one seed.
      images: images as [GeneratedImage, ...GeneratedImage[]],
      warnings: [
        ...ofLoad,
        ...warnings,
        ...fallbacks.map((message) => ({ code: 'BACKEND_FALLBACK', message }) as const),
      ],
      backend,
      timings: result.timings,
    };
  }

  #refuseFull(): void {
    const { maxQueue = DEFAULT_MAX_QUEUE } = this.#parts;
    if (this.#pending <= maxQueue) return;
    throw new T2IError('QUEUE_FULL', `${maxQueue} requests wait already, the most that maxQueue allows`, {
      hint: 'Send the request again when others are done, or load the pipeline with a larger maxQueue.',
    });
  }

  #refuseClosed(): void {
    if (this.#closed === null) return;
    throw new T2IError('CLOSED', 'The pipeline is closed', { hint: 'Load a new one with Pipeline.load().' });
  }
}

/** The model of a load: of the package, a folder, or the Hub, from where it is fetched. */
async function findAndDescribe(
  nameOrDir: string | undefined,
  signal: AbortSignal | undefined,
  onProgress: LoadOptions['onProgress'],
  weights: ModelWeights | undefined,
): Promise<ModelDescription> {
  const dir = await findModel(nameOrDir, {
    signal,
    onProgress: ({ bytes, totalBytes }) =>
      onProgress?.({
        phase: 'download',
        fraction: totalBytes === 0 ? 1 : bytes / totalBytes,
        detail: `${bytes} of ${totalBytes} bytes`,
      }),
  });
  return describeModel(dir, signal, undefined, weights);
}

/** Adds the seed to each step event, and ends the request with what the listener throws. */
function follow(
  request: Request,
  abort: LinkedAbort,
  onStep: (event: StepProgress) => unknown,
): (event: StepEvent) => void {
  return (event) => {
    try {
      const told = onStep({ ...event, seed: request.seeds[event.image] as number });
      // Unheard, what an asynchronous listener throws would end the process.
      if (told instanceof Promise) told.catch((error: unknown) => abort.abort(error));
    } catch (error) {
      abort.abort(error);
    }
  };
}
