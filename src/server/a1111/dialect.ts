import { z } from 'zod';
import { describeValue, isRecord } from '../../fields.js';
import { hashModel } from '../../image/receipt.js';
import { jsonBody } from '../http/json-body.js';
import type { Dialect, Operation, RequestContext } from '../http/operation.js';
import { invalidRequest, type Refusal } from '../http/refusal.js';
import { limitsOfServed, type ServedModel } from '../models/served-model.js';
import type { ImageService } from '../service.js';
import { labelOf } from './samplers.js';
import { A1111_ERROR, PROGRESS_ANSWER, TXT2IMG_ANSWER, TXT2IMG_BODY } from './schema.js';
import { type OpenRequest, Sessions } from './sessions.js';
import { modelOf, txt2img } from './txt2img.js';

const RECORDS = z.array(z.record(z.string(), z.unknown()));
const OPTIONS = z.looseObject({ sd_model_checkpoint: z.string().optional() });

/** The part of AUTOMATIC1111's API that clients need to make images. */
export function a1111Dialect(service: ImageService): Dialect {
  const sessions = new Sessions();
  const get = (
    path: string,
    summary: string,
    content: z.ZodType,
    read: (context: RequestContext) => unknown,
  ): Operation => ({
    ...{ method: 'get', path: `/sdapi/v1/${path}`, summary, answer: { status: 200, content } },
    handle: (context) => context.json(read(context) as Record<string, unknown>),
  });
  const chosen = (context: RequestContext) => service.models.find(sessions.modelOf(context.get('caller')));
  return {
    name: 'a1111',
    owns: (path) => path.startsWith('/sdapi/'),
    errorBody: errorOf,
    errorSchema: A1111_ERROR,
    operations: [
      {
        method: 'post',
        path: '/sdapi/v1/txt2img',
        admit: (caller) => service.admit('a1111', caller),
        summary: 'Make images, as AUTOMATIC1111 does.',
        body: TXT2IMG_BODY,
        answer: { status: 200, content: TXT2IMG_ANSWER },
        handle: (context) => txt2img(context, service, sessions),
      },
      get('progress', "How far the caller's first request is.", PROGRESS_ANSWER, (context) =>
        progressOf(sessions.current(context.get('caller')), service),
      ),
      {
        method: 'post',
        path: '/sdapi/v1/interrupt',
        summary: "End the caller's requests; they answer what is done.",
        answer: { status: 200, content: z.object({}) },
        handle(context) {
          sessions.interrupt(context.get('caller'));
          return context.json({});
        },
      },
      get('samplers', 'The samplers of the chosen model.', RECORDS, (context) => samplersOf(chosen(context))),
      get('schedulers', 'How steps can be spaced.', RECORDS, () => [
        { name: 'automatic', label: 'Automatic' },
        { name: 'karras', label: 'Karras' },
      ]),
      get('sd-models', 'The models of this server.', RECORDS, () => service.models.all.map(describeModel)),
      get('options', 'The chosen model.', OPTIONS, (context) => ({
        sd_model_checkpoint: describeModel(chosen(context)).title,
        samples_format: 'png',
      })),
      {
        method: 'post',
        path: '/sdapi/v1/options',
        summary: 'Choose a model for the requests that follow of this caller; other options are passed over.',
        body: OPTIONS,
        answer: { status: 200, content: z.null() },
        async handle(context) {
          const body = await jsonBody(context);
          const title = isRecord(body) ? body.sd_model_checkpoint : null;
          if (title !== undefined && typeof title !== 'string') {
            const option = isRecord(body) ? 'sd_model_checkpoint' : 'body';
            throw invalidRequest([
              { option, expected: 'the title of a model', received: describeValue(title ?? body) },
            ]);
          }
          if (title !== undefined) sessions.choose(context.get('caller'), service.models.find(modelOf(title)).id);
          return context.json(null);
        },
      },
    ],
  };
}

function errorOf({ status, code, message }: Refusal) {
  const error = status === 400 ? 'ValidationError' : code;
  return { error, detail: message, body: '', errors: message };
}

function describeModel({ id, model }: ServedModel) {
  const sha256 = hashModel(model.hashes);
  const hash = sha256.slice(0, 10);
  return { title: `${id} [${hash}]`, model_name: id, hash, sha256, filename: id, config: null };
}

function samplersOf(served: ServedModel) {
  return Object.entries(limitsOfServed(served).samplers)
    .filter(([, { refusal }]) => refusal === undefined)
    .map(([name]) => ({ name: labelOf(name), aliases: [name], options: {} }));
}

function progressOf(open: OpenRequest | undefined, service: ImageService): z.infer<typeof PROGRESS_ANSWER> {
  const { image = 0, step = 0, steps = 0 } = open?.progress ?? {};
  const count = open?.accepted.request.seeds.length ?? 0;
  const eta = open ? service.queue.eta(open.accepted.queued) : null;
  return {
    progress: steps === 0 ? 0 : (image * steps + step) / (count * steps),
    eta_relative: (eta ?? 0) / 1000,
    state: {
      skipped: false,
      interrupted: open?.interrupted ?? false,
      job: open ? 'txt2img' : '',
      job_count: count,
      job_timestamp: open ? open.since.toISOString().replace(/\D/g, '').slice(0, 14) : '0',
      job_no: image,
      sampling_step: step,
      sampling_steps: steps,
    },
    current_image: null,
    textinfo: null,
  };
}
