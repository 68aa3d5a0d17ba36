import { z } from 'zod';
import type { Issue } from '../../errors.js';
import type { GeneratedImage } from '../../image/generated-image.js';
import { askerOf } from '../http/asker.js';
import type { RequestContext } from '../http/operation.js';
import { WARNINGS } from '../http/warnings.js';
import type { ImageService } from '../service.js';
import type { CheckedBody, ImageBody } from './image-body.js';
import { base64, encodeFile, mediaTypeOf } from './image-file.js';

/** Images in JSON, where an API has no shape of its own. */
export const IMAGES_ANSWER = z.object({
  model: z.string(),
  images: z.array(z.object({ b64_json: z.string(), seed: z.int() })),
  output_format: z.string(),
  warnings: WARNINGS,
});

/** Whether the client wants the file itself. */
function wantsImage(context: RequestContext): boolean {
  return /^image\//.test(context.req.header('accept') ?? '');
}

/** What is wrong where the client wants the file of several images. */
export function fileIssues(context: RequestContext, { n, seeds }: ImageBody): Issue[] {
  const count = n ?? seeds?.length ?? 1;
  if (!wantsImage(context) || count <= 1) return [];
  return [{ option: 'n', expected: '1 with Accept: image/*', received: String(count) }];
}

/** Carries out a request, and answers its images as JSON, or as the file of the only one where the client wants that. */
export async function answerWithImages(
  context: RequestContext,
  service: ImageService,
  checked: CheckedBody,
  api: string,
): Promise<Response> {
  const { result } = service.submit(checked, askerOf(context, api));
  const images = await result;
  const [image] = images;
  if (!wantsImage(context) || image === undefined) return context.json(await jsonOfImages(checked, images));
  return context.body(await encodeFile(image, checked.file), 200, {
    'content-type': mediaTypeOf(checked.file),
    'x-seed': String(image.seed),
  });
}

export async function jsonOfImages(
  { served, file, warnings }: CheckedBody,
  images: readonly GeneratedImage[],
): Promise<z.infer<typeof IMAGES_ANSWER>> {
  return {
    model: served.id,
    images: await Promise.all(
      images.map(async (image) => ({ b64_json: base64(await encodeFile(image, file)), seed: image.seed })),
    ),
    output_format: file.format,
    warnings: [...warnings],
  };
}
