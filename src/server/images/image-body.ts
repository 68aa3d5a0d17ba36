import { z } from 'zod';
import { MAX_SEED } from '../../diffusion/noise.js';
import type { Issue } from '../../errors.js';
import { withoutUndefined } from '../../fields.js';
import { IMAGE_FORMATS } from '../../image/formats.js';
import { MAX_PROMPT_LENGTH, type RequestOptions } from '../../options.js';
import { wire } from '../http/wire.js';
import type { CheckedRequest, ImageService } from '../service.js';
import type { ImageFile } from './image-file.js';

const seed = wire.integer(0, MAX_SEED, `an integer from 0 to ${MAX_SEED} (2^53 - 1)`);
const SIZE = /^(?:auto|\d{1,5}x\d{1,5})$/;

/** What an image is asked for with, in JSON; the model says which values of the last ones it takes. */
export const IMAGE_FIELDS = {
  prompt: wire.text(MAX_PROMPT_LENGTH).describe('What the images should show.'),
  model: wire.text(200).nullish().describe('Id of a model; the first one where it is left out.'),
  n: wire.integer(1, 100).nullish().describe('Number of images, with seeds that count up.'),
  size: wire
    .pattern(SIZE, 'WIDTHxHEIGHT in pixels, such as 128x128, or auto')
    .nullish()
    .describe("WIDTHxHEIGHT in pixels, or auto for the model's own size."),
  seed: seed.nullish().describe('Makes the same image again; random and told where it is left out.'),
  seeds: z
    .array(seed, { error: 'a list of seeds' })
    .min(1, { error: 'at least one seed' })
    .max(100, { error: 'at most 100 seeds' })
    .nullish()
    .describe('One image for each, in place of seed and n.'),
  negative_prompt: wire.text(MAX_PROMPT_LENGTH).nullish().describe('What the images should not show.'),
  steps: wire.integer(1, 1000).nullish().describe('Denoising steps.'),
  guidance_scale: wire.number(0, 1000).nullish().describe('Classifier-free guidance; 1 or below turns it off.'),
  sampler: wire.text(100).nullish().describe('A sampler that GET /v1/capabilities lists.'),
  sigmas: wire.oneOf(['default', 'karras']).nullish().describe('How the steps are spaced.'),
  eta: wire.number(0, 1).nullish().describe('Fresh noise per step, for samplers that take it.'),
  preset: wire.text(100).nullish().describe('A preset of the model, for what is left out.'),
  output_format: wire.oneOf(IMAGE_FORMATS).nullish().describe('png where it is left out.'),
  output_compression: wire.integer(0, 100).nullish().describe('Quality of jpeg and webp; 90 where it is left out.'),
};

const IMAGE_BODY = z.object(IMAGE_FIELDS);
/** The fields that were valid. */
export type ImageBody = Partial<z.infer<typeof IMAGE_BODY>>;

/** A request and the files that its images are to become. */
export interface CheckedBody extends CheckedRequest {
  readonly file: ImageFile;
}

const NAMES: Readonly<Record<string, string>> = {
  negativePrompt: 'negative_prompt',
  guidanceScale: 'guidance_scale',
  width: 'size',
  height: 'size',
};

/**
 * Checks the fields of a body against the model and the server.
 *
 * @param found mistakes that were found in the body
 * @param more options that the API has fields of its own for
 * @throws Refusal model_not_found; option_invalid with every mistake
 */
export function checkImageBody(
  service: ImageService,
  body: ImageBody,
  found: readonly Issue[],
  more: Pick<RequestOptions, 'preview' | 'preset'> = {},
): CheckedBody {
  const file = { format: body.output_format ?? 'png', compression: body.output_compression ?? undefined };
  const issues = [...found];
  if (file.format === 'png' && file.compression !== undefined && file.compression !== 100) {
    issues.push({ option: 'output_compression', expected: 'nothing with png', received: String(file.compression) });
  }
  // What is wrong is left out, and a prompt that is wrong is told already.
  const options = { prompt: '', ...optionsOf(body), ...more };
  const checked = service.check(body.model ?? undefined, options, issues, (option) => NAMES[option] ?? option);
  return { ...checked, file };
}

/** The same request with at most so many previews of each image, spread evenly over its steps. */
export function withPreviews(checked: CheckedBody, previews: number): CheckedBody {
  const { request } = checked;
  // The shortest distance of which no more than so many fit in.
  const previewEvery = previews === 0 ? 0 : Math.floor(request.steps / (previews + 1)) + 1;
  return { ...checked, request: { ...request, previewEvery } };
}

function optionsOf(body: ImageBody): Partial<RequestOptions> {
  const [width, height] = body.size && body.size !== 'auto' ? body.size.split('x').map(Number) : [];
  return withoutUndefined({
    prompt: body.prompt,
    negativePrompt: body.negative_prompt ?? undefined,
    seed: body.seed ?? undefined,
    seeds: body.seeds ?? undefined,
    n: body.n ?? undefined,
    preset: body.preset ?? undefined,
    steps: body.steps ?? undefined,
    guidanceScale: body.guidance_scale ?? undefined,
    sampler: body.sampler ?? undefined,
    sigmas: body.sigmas ?? undefined,
    eta: body.eta ?? undefined,
    width,
    height,
  });
}
