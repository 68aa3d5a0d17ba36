import { askerOf } from '../http/asker.js';
import { jsonBody } from '../http/json-body.js';
import type { RequestContext } from '../http/operation.js';
import { publicUrl } from '../http/public-url.js';
import { invalidRequest } from '../http/refusal.js';
import { readBody } from '../http/wire.js';
import { type CheckedBody, checkImageBody, withPreviews } from '../images/image-body.js';
import { base64, encodeFile } from '../images/image-file.js';
import type { ImageStore } from '../images/image-store.js';
import type { ImageService } from '../service.js';
import { streamGeneration } from './generation-stream.js';
import { GENERATION_BODY } from './schema.js';

/** A generation as its body asks for it. */
export interface Generation extends CheckedBody {
  readonly quality: string;
  /** Whether images are kept, and answered by their address. */
  readonly byUrl: boolean;
  readonly stream: boolean;
}

/** `POST /v1/images/generations`. */
export async function generateImages(
  context: RequestContext,
  service: ImageService,
  store: ImageStore | null,
): Promise<Response> {
  const generation = readGeneration(await jsonBody(context), service, store);
  if (generation.stream) return streamGeneration(context, service, generation);
  const { queued, result } = service.submit(generation, askerOf(context, 'openai'));
  const images = await result;
  const data = await Promise.all(
    images.map(async (image) => {
      const bytes = await encodeFile(image, generation.file);
      if (!generation.byUrl || store === null) return { b64_json: base64(bytes), seed: image.seed };
      const path = await store.keep(bytes, generation.file);
      return { url: publicUrl(context, path), seed: image.seed };
    }),
  );
  return context.json({
    ...commonOf(generation),
    created: seconds(),
    model: queued.model,
    data,
    usage: usageOf(generation),
    warnings: generation.warnings,
  });
}

/** What an answer and the events of a stream have in common. */
export function commonOf({ request, file, quality }: Generation) {
  const { width, height } = request;
  return { size: `${width}x${height}`, quality, background: 'opaque', output_format: file.format };
}

/** Tokens of the prompt; the model makes none. */
export function usageOf({ promptTokens }: Generation) {
  return {
    input_tokens: promptTokens,
    output_tokens: 0,
    total_tokens: promptTokens,
    input_tokens_details: { text_tokens: promptTokens, image_tokens: 0 },
  };
}

export const seconds = () => Math.floor(Date.now() / 1000);

/** @throws Refusal model_not_found; option_invalid with every mistake */
function readGeneration(json: unknown, service: ImageService, store: ImageStore | null): Generation {
  const { value: body, issues: found } = readBody(GENERATION_BODY, json);
  const issues = [...found];
  const stream = body.stream === true;
  const partialImages = body.partial_images ?? 0;
  if (!stream && partialImages > 0) {
    issues.push({ option: 'partial_images', expected: '0 without stream', received: String(partialImages) });
  }
  if (body.response_format === 'url' && (store === null || stream)) {
    const expected = stream ? 'b64_json in a stream' : 'b64_json, since this server keeps no images';
    issues.push({ option: 'response_format', expected, received: '"url"' });
  }
  const fast = body.quality === 'low' && !body.preset && hasPreset(service, body.model, 'fast');
  const checked = checkImageBody(service, body, issues, { ...(fast && { preset: 'fast' }) });
  if (issues.length > 0) throw invalidRequest(issues);
  return {
    ...withPreviews(checked, partialImages),
    quality: body.quality ?? 'auto',
    byUrl: body.response_format === 'url',
    stream,
  };
}

function hasPreset(service: ImageService, model: string | null | undefined, name: string): boolean {
  const id = model ?? undefined;
  if (id !== undefined && !service.models.ids.includes(id)) return false;
  return Object.hasOwn(service.models.find(id).model.manifest?.presets ?? {}, name);
}
