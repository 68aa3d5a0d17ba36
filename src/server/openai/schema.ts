import { z } from 'zod';
import { WARNINGS } from '../http/warnings.js';
import { wire } from '../http/wire.js';
import { IMAGE_FIELDS } from '../images/image-body.js';

const QUALITIES = ['auto', 'low', 'medium', 'high', 'xhigh', 'max', 'standard', 'hd'] as const;

/** The body of `POST /v1/images/generations`: OpenAI's fields, and ours beside them. */
export const GENERATION_BODY = z.strictObject({
  ...IMAGE_FIELDS,
  quality: wire
    .oneOf(QUALITIES)
    .nullish()
    .describe('low takes the preset "fast" where the model has one; all others are the defaults.'),
  response_format: wire
    .oneOf(['b64_json', 'url'])
    .nullish()
    .describe('b64_json where it is left out; url only where the server keeps images.'),
  stream: wire.flag().nullish().describe('Answer with server-sent events.'),
  partial_images: wire.integer(0, 3).nullish().describe('Previews of each image in a stream.'),
  background: wire.oneOf(['auto', 'opaque']).nullish().describe('Images have no transparency.'),
  moderation: wire
    .oneOf(['auto', 'low'])
    .nullish()
    .describe('Accepted for clients that send it; nothing is moderated.'),
  user: wire.text(512).nullish().describe('Accepted for clients that send it, and not kept.'),
  safety_identifier: wire.text(512).nullish().describe('Accepted for clients that send it, and not kept.'),
});

const USAGE = z.object({
  input_tokens: z.int(),
  output_tokens: z.int(),
  total_tokens: z.int(),
  input_tokens_details: z.object({ text_tokens: z.int(), image_tokens: z.int() }),
});

export const GENERATION_ANSWER = z.object({
  created: z.int().describe('Seconds since 1970.'),
  model: z.string(),
  data: z.array(z.object({ b64_json: z.string().optional(), url: z.string().optional(), seed: z.int() })),
  output_format: z.string(),
  size: z.string(),
  quality: z.string(),
  background: z.literal('opaque'),
  usage: USAGE,
  warnings: WARNINGS,
});

const MODEL = z.object({ id: z.string(), object: z.literal('model'), created: z.int(), owned_by: z.string() });
export const MODEL_ANSWER = MODEL;
export const MODELS_ANSWER = z.object({ object: z.literal('list'), data: z.array(MODEL) });

export const OPENAI_ERROR = z.object({
  error: z.object({
    message: z.string(),
    type: z.string(),
    param: z.string().nullable(),
    code: z.string(),
    hint: z.string().optional(),
    issues: z.array(z.object({ param: z.string(), message: z.string() })).optional(),
    request_id: z.string(),
  }),
});
