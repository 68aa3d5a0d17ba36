import type { Raster } from '../../backends/backend.js';
import type { GeneratedImage } from '../../image/generated-image.js';
import { askerOf } from '../http/asker.js';
import { Channel } from '../http/channel.js';
import type { RequestContext } from '../http/operation.js';
import { refusalOf } from '../http/refusal.js';
import { eventStream, type ServerSentEvent } from '../http/sse.js';
import { base64, encodeFile, encodePreview } from '../images/image-file.js';
import type { ImageService } from '../service.js';
import { openaiError } from './errors.js';
import { commonOf, type Generation, seconds, usageOf } from './generations.js';

type Told =
  | { readonly image: number; readonly seed: number; readonly partial: number; readonly preview: Raster }
  | { readonly image: number; readonly finished: GeneratedImage };

/** The events of a generation: previews, then each image as it is done; or an error, after which there is nothing more. */
export async function streamGeneration(
  context: RequestContext,
  service: ImageService,
  generation: Generation,
): Promise<Response> {
  const channel = new Channel<Told>();
  const partials = new Map<number, number>();
  const leave = new AbortController();
  const { signal } = context.req.raw;
  const { queued, result } = service.submit(generation, {
    ...askerOf(context, 'openai'),
    signal: AbortSignal.any([signal, leave.signal]),
    onStep: ({ image, seed, preview }) => {
      if (preview === undefined) return;
      const partial = partials.get(image) ?? 0;
      partials.set(image, partial + 1);
      channel.push({ image, seed, partial, preview });
    },
    onImage: (image, finished) => channel.push({ image, finished }),
  });
  result.then(
    () => channel.close(),
    (error) => channel.fail(error),
  );
  await queued.accepted;
  const events = eventsOf(channel, generation, context.get('requestId'));
  return eventStream(events, () => leave.abort(new DOMException('The client left', 'AbortError')));
}

async function* eventsOf(
  told: AsyncIterable<Told>,
  generation: Generation,
  requestId: string,
): AsyncGenerator<ServerSentEvent> {
  try {
    for await (const each of told) yield await eventOf(each, generation);
  } catch (error) {
    yield { event: 'error', data: openaiError(refusalOf(error), requestId) };
  }
}

async function eventOf(told: Told, generation: Generation): Promise<ServerSentEvent> {
  const common = { ...commonOf(generation), created_at: seconds(), image_index: told.image };
  if ('preview' in told) {
    const type = 'image_generation.partial_image';
    const b64_json = base64(await encodePreview(told.preview, generation.file));
    return { event: type, data: { type, b64_json, partial_image_index: told.partial, seed: told.seed, ...common } };
  }
  const type = 'image_generation.completed';
  const b64_json = base64(await encodeFile(told.finished, generation.file));
  const { seed } = told.finished;
  return {
    event: type,
    data: { type, b64_json, seed, usage: usageOf(generation), warnings: generation.warnings, ...common },
  };
}
