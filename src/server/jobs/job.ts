import { randomBytes } from 'node:crypto';
import type { StepProgress } from '../../pipeline/events.js';
import { Channel } from '../http/channel.js';
import { type Refusal, refusal, refusalOf } from '../http/refusal.js';
import type { ServerSentEvent } from '../http/sse.js';
import type { CheckedBody } from '../images/image-body.js';
import { base64, encodeFile, encodePreview } from '../images/image-file.js';
import type { RequestListeners, RequestState } from '../queue/queued-request.js';
import type { AcceptedRequest, ImageService } from '../service.js';
import { GoesOnElsewhere } from './elsewhere.js';

interface JobImage {
  readonly seed: number;
  readonly bytes: Uint8Array;
}

/** Where a job comes from: a request to this server, or to another that shares its queue. */
export interface JobOrigin {
  readonly id: string;
  /** Seconds since 1970. */
  readonly createdAt: number;
  readonly caller: string;
  /** Puts it into the queue, or finds it there. */
  start(listeners: RequestListeners & { readonly signal: AbortSignal }): AcceptedRequest;
}

/** What a new job is called; nobody can guess it. */
export function newJobId(): string {
  return `job_${randomBytes(16).toString('base64url')}`;
}

/** A request that is asked after, and not waited for. It is done when its images are encoded. */
export class Job {
  readonly id: string;
  readonly caller: string;
  /** Rejects where the queue does not take it. */
  readonly accepted: Promise<void>;
  /** Resolves when it is over, whatever the end. */
  readonly over: Promise<void>;
  readonly #createdAt: number;
  readonly #service: ImageService;
  readonly #checked: CheckedBody;
  readonly #accepted: AcceptedRequest;
  readonly #leave = new AbortController();
  readonly #watchers = new Set<Channel<ServerSentEvent>>();
  #previews = Promise.resolve();
  #progress: Pick<StepProgress, 'image' | 'step' | 'steps'> | null = null;
  #end: { readonly images: readonly JobImage[] } | { readonly error: Refusal; readonly status: RequestState } | null =
    null;

  /** @throws Refusal queue_full, draining */
  constructor(service: ImageService, checked: CheckedBody, { id, createdAt, caller, start }: JobOrigin) {
    this.#service = service;
    this.#checked = checked;
    this.id = id;
    this.caller = caller;
    this.#createdAt = createdAt;
    this.#accepted = start({
      signal: this.#leave.signal,
      onStart: () => this.#tell('status', { status: 'generating' }),
      onStep: (event) => this.#step(event),
    });
    this.accepted = this.#accepted.queued.accepted;
    const unwatch = service.queue.onMove(() => this.#tellPlace());
    this.over = this.#finish().finally(unwatch);
  }

  get status(): RequestState {
    if (this.#end !== null) return 'images' in this.#end ? 'completed' : this.#end.status;
    // Its images are still to be encoded.
    const { state } = this.#accepted.queued;
    return state === 'queued' ? 'queued' : 'generating';
  }

  get isOver(): boolean {
    return this.#end !== null;
  }

  /** Bytes of its images. */
  get bytes(): number {
    if (this.#end === null || !('images' in this.#end)) return 0;
    return this.#end.images.reduce((sum, { bytes }) => sum + bytes.byteLength, 0);
  }

  cancel(): void {
    this.#leave.abort(refusal('cancelled', 'The job was cancelled'));
  }

  /** What is known of it, as JSON. */
  describe(): Record<string, unknown> {
    return { ...this.links(), ...this.#facts() };
  }

  #facts() {
    const { request, warnings, file } = this.#checked;
    const end = this.#end;
    return {
      model: this.#accepted.queued.model,
      created_at: this.#createdAt,
      seeds: request.seeds,
      output_format: file.format,
      warnings,
      ...(end === null && this.#place()),
      ...(this.#progress && end === null && { progress: this.#progress }),
      ...(end && 'images' in end && { images: end.images.map(jsonOf) }),
      ...(end && 'error' in end && { error: { code: end.error.code, message: end.error.message } }),
    };
  }

  links() {
    const url = `/v1/jobs/${this.id}`;
    return {
      id: this.id,
      status: this.status,
      poll_url: url,
      events_url: `${url}/events`,
      cancel_url: `${url}/cancel`,
    };
  }

  /** What it is now, then what becomes of it, to its end; `leave` takes the watcher away. */
  watch(): { readonly events: AsyncIterable<ServerSentEvent>; leave(): void } {
    const channel = new Channel<ServerSentEvent>();
    channel.push({ event: 'status', data: { status: this.status, ...(this.#end === null && this.#place()) } });
    if (this.#end === null) this.#watchers.add(channel);
    else {
      channel.push(this.#lastEvent());
      channel.close();
    }
    const leave = () => {
      this.#watchers.delete(channel);
      // Whoever waits for the next event waits no longer.
      channel.close();
    };
    return { events: channel, leave };
  }

  #step({ preview, image, step, steps, seed }: StepProgress): void {
    this.#progress = { image, step, steps };
    this.#tell('step', { image, step, steps, seed });
    if (preview === undefined || this.#watchers.size === 0) return;
    const { file } = this.#checked;
    // One after the other: none overtakes an earlier one, or the end.
    this.#previews = this.#previews
      .then(() => encodePreview(preview, file))
      .then((bytes) => this.#tell('preview', { image, step, steps, seed, b64_json: base64(bytes) }))
      // A preview is not worth an error.
      .catch(() => {});
  }

  async #finish(): Promise<void> {
    try {
      const images = await this.#accepted.result;
      const { file } = this.#checked;
      this.#end = {
        images: await Promise.all(
          images.map(async (image) => ({ seed: image.seed, bytes: await encodeFile(image, file) })),
        ),
      };
    } catch (error) {
      if (error instanceof GoesOnElsewhere) return this.#closeWatchers();
      const { state } = this.#accepted.queued;
      this.#end = { error: refusalOf(error), status: state === 'cancelled' ? 'cancelled' : 'failed' };
    }
    await this.#previews;
    const last = this.#lastEvent();
    for (const channel of this.#watchers) channel.push(last);
    this.#closeWatchers();
  }

  #closeWatchers(): void {
    for (const channel of this.#watchers) channel.close();
    this.#watchers.clear();
  }

  #lastEvent(): ServerSentEvent {
    // Who listens needs no addresses, and some jobs have none.
    return { event: this.status, data: { id: this.id, status: this.status, ...this.#facts() } };
  }

  #place() {
    const { queued } = this.#accepted;
    const { queue } = this.#service;
    const eta = queue.eta(queued);
    return {
      ...(queued.state === 'queued' && { queue_position: queue.position(queued) }),
      ...(eta !== null && { eta_seconds: eta / 1000 }),
    };
  }

  #tellPlace(): void {
    if (this.status === 'queued') this.#tell('status', { status: 'queued', ...this.#place() });
  }

  #tell(event: string, data: unknown): void {
    for (const channel of this.#watchers) channel.push({ event, data });
  }
}

function jsonOf({ seed, bytes }: JobImage) {
  return { b64_json: base64(bytes), seed };
}
