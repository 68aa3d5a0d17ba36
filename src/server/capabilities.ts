import { z } from 'zod';
import { withoutUndefined } from '../fields.js';
import { IMAGE_FORMATS } from '../image/formats.js';
import type { RequestLimits } from '../options.js';
import { packageVersion } from '../pipeline/package-version.js';
import type { Dialect } from './http/operation.js';
import { limitsOfServed, type ServedModel } from './models/served-model.js';
import { openaiError } from './openai/errors.js';
import { OPENAI_ERROR } from './openai/schema.js';
import type { ImageService } from './service.js';

const SIZE = z.object({ width: z.int(), height: z.int() });
const DEFAULTS = z.object({ steps: z.int(), guidance_scale: z.number(), sampler: z.string() });

const MODEL = z.object({
  id: z.string(),
  name: z.string(),
  open: z.boolean(),
  backend: z.string().nullable().describe('What runs it here; null until it is open.'),
  native_size: SIZE,
  fixed_size: SIZE.nullable(),
  size_granularity: z.int(),
  defaults: DEFAULTS,
  presets: z.record(z.string(), DEFAULTS.partial()),
  samplers: z.array(z.object({ name: z.string(), eta: z.boolean(), karras: z.boolean(), max_steps: z.int() })),
  words: z.string().nullable().describe('Words that the model was trained on, where it lists them.'),
});

const CAPABILITIES = z.object({
  version: z.string(),
  models: z.array(MODEL),
  formats: z.array(z.string()),
  limits: z.object({
    n: z.int(),
    side: z.int(),
    steps: z.int(),
    prompt_characters: z.int(),
    body_bytes: z.int(),
    queue: z.int(),
    timeout_seconds: z.number(),
  }),
  queue: z.object({ waiting: z.int(), running: z.int() }),
  image_store: z.boolean(),
});

/** What the server and its models can do: what a client needs to know to offer it. */
export function capabilitiesDialect(service: ImageService, keepsImages: boolean): Dialect {
  return {
    name: 'capabilities',
    owns: () => false,
    errorBody: openaiError,
    errorSchema: OPENAI_ERROR,
    operations: [
      {
        method: 'get',
        path: '/v1/capabilities',
        summary: 'Models, samplers, presets, defaults and limits.',
        answer: { status: 200, content: CAPABILITIES },
        handle: (context) => context.json(describeServer(service, keepsImages)),
      },
    ],
  };
}

function describeServer(service: ImageService, keepsImages: boolean): z.infer<typeof CAPABILITIES> {
  const { limits, queue, models, backends } = service;
  return {
    version: packageVersion(),
    models: models.all.map((each) => describeModel(each, backends)),
    formats: [...IMAGE_FORMATS],
    limits: {
      n: limits.images,
      side: limits.side,
      steps: limits.steps,
      prompt_characters: limits.promptLength,
      body_bytes: limits.bodyBytes,
      queue: queue.limit,
      timeout_seconds: limits.timeout / 1000,
    },
    queue: { waiting: queue.length, running: queue.running },
    image_store: keepsImages,
  };
}

function describeModel(served: ServedModel, backends: ReadonlyMap<string, string | null>): z.infer<typeof MODEL> {
  const { id, model } = served;
  const limits = limitsOfServed(served);
  const named = ({ steps, guidanceScale, sampler }: NonNullable<RequestLimits['presets']>[string]) =>
    withoutUndefined({ steps, guidance_scale: guidanceScale, sampler });
  return {
    ...{ id, name: model.name, open: backends.has(id), backend: backends.get(id) ?? null },
    native_size: { ...limits.nativeSize },
    fixed_size: limits.fixedSize && { ...limits.fixedSize },
    size_granularity: limits.sizeGranularity,
    defaults: named(limits.defaults) as z.infer<typeof DEFAULTS>,
    presets: Object.fromEntries(Object.entries(limits.presets ?? {}).map(([name, preset]) => [name, named(preset)])),
    samplers: Object.entries(limits.samplers)
      .filter(([, { refusal }]) => refusal === undefined)
      .map(([name, { eta, karras, maxSteps }]) => ({ name, eta, karras, max_steps: maxSteps })),
    words: model.manifest?.words ?? null,
  };
}
