import { z } from 'zod';
import { WARNINGS } from '../http/warnings.js';
import { wire } from '../http/wire.js';
import { IMAGE_FIELDS } from '../images/image-body.js';

/** The body of `POST /v1/jobs`. */
export const JOB_BODY = z.strictObject({
  ...IMAGE_FIELDS,
  previews: wire
    .integer(0, 20)
    .nullish()
    .describe('Most previews of each image among the events; none where it is left out.'),
});

const STATUS = z.enum(['queued', 'generating', 'completed', 'failed', 'cancelled']);

export const JOB_ACCEPTED = z.object({
  id: z.string(),
  status: STATUS,
  poll_url: z.string(),
  events_url: z.string(),
  cancel_url: z.string(),
});

export const JOB_ANSWER = JOB_ACCEPTED.extend({
  model: z.string(),
  created_at: z.int().describe('Seconds since 1970.'),
  seeds: z.array(z.int()),
  queue_position: z.int().optional().describe('Requests before it, while it waits.'),
  eta_seconds: z.number().optional().describe('Until it should be done, where that is known.'),
  progress: z.object({ image: z.int(), step: z.int(), steps: z.int() }).optional(),
  images: z.array(z.object({ b64_json: z.string(), seed: z.int() })).optional(),
  output_format: z.string(),
  error: z.object({ code: z.string(), message: z.string() }).optional(),
  warnings: WARNINGS,
});
