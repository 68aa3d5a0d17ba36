import { type Api, ApiError } from './api.js';
import { readEvents } from './event-stream.js';
import type { DrawnImage } from './history-store.js';
import { requestOf, type Settings } from './settings.js';

/** What is told while images are drawn. */
export interface DrawingListener {
  /** Others are drawn first. */
  waits(position: number, etaSeconds: number | null): void;
  /** The first step is under way. */
  starts(): void;
  /** A step of an image is done. */
  steps(index: number, step: number): void;
  /** What an image looks like so far. */
  previews(index: number, preview: Blob): void;
  done(index: number, drawn: DrawnImage): Promise<void>;
}

/** Previews of each image. Each costs a decode. */
const PREVIEWS = 6;

/**
 * Has the server draw images and follows it. The server ends what nobody listens to any more, whether the signal is aborted, the page
 * left, or the browser gone.
 *
 * @returns sentences that the server has to say about the request
 * @throws ApiError; the signal's reason when aborted
 */
export async function drawImages(
  api: Api,
  settings: Settings,
  { n, withPreviews }: { n: number; withPreviews: boolean },
  listener: DrawingListener,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const body = { ...requestOf(settings, n), ...(withPreviews && { previews: PREVIEWS }) };
  const response = await api.call('v1/jobs/stream', { body, signal });
  for await (const { type, data } of readEvents(response.body ?? new ReadableStream())) {
    signal.throwIfAborted();
    const told = JSON.parse(data);
    if (type === 'status' && told.status === 'queued') listener.waits(told.queue_position, told.eta_seconds ?? null);
    if (type === 'status' && told.status === 'generating') listener.starts();
    if (type === 'step') listener.steps(told.image, told.step);
    if (type === 'preview') listener.previews(told.image, imageOf(told.b64_json));
    if (type === 'failed' || type === 'cancelled') throw new ApiError(0, told.error.message);
    if (type !== 'completed') continue;
    for (const [index, { seed, b64_json }] of told.images.entries()) {
      await listener.done(index, { blob: imageOf(b64_json), settings: { ...settings, seed }, drawnAt: Date.now() });
    }
    return told.warnings.map(({ message }: { message: string }) => message);
  }
  throw new ApiError(0, 'The connection ended before the image was done');
}

function imageOf(base64: string): Blob {
  const binary = atob(base64);
  return new Blob([Uint8Array.from(binary, (unit) => unit.charCodeAt(0))], { type: 'image/png' });
}
