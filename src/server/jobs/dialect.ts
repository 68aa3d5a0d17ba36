import { askerOf } from '../http/asker.js';
import { jsonBody } from '../http/json-body.js';
import type { Dialect, RequestContext } from '../http/operation.js';
import { invalidRequest, refusal } from '../http/refusal.js';
import { eventStream } from '../http/sse.js';
import { readBody } from '../http/wire.js';
import { checkImageBody, withPreviews } from '../images/image-body.js';
import { openaiError } from '../openai/errors.js';
import { OPENAI_ERROR } from '../openai/schema.js';
import type { ImageService } from '../service.js';
import { Job, newJobId } from './job.js';
import type { JobStore, Repeat } from './job-store.js';
import { JOB_ACCEPTED, JOB_ANSWER, JOB_BODY } from './schema.js';

const IDEMPOTENCY_KEY = /^[\x21-\x7e]{1,255}$/;

/**
 * Requests that are answered at once and asked after, for gateways that cut long ones; and those whose events a page listens to.
 *
 * @param kept milliseconds that a job can be asked after its end
 */
export function jobsDialect(service: ImageService, store: JobStore, kept: number): Dialect {
  const jobOf = (context: RequestContext) => store.find(context.req.param('id') ?? '', context.get('caller'));
  return {
    name: 'jobs',
    owns: (path) => path.startsWith('/v1/jobs'),
    errorBody: openaiError,
    errorSchema: OPENAI_ERROR,
    operations: [
      {
        method: 'post',
        path: '/v1/jobs',
        summary: 'Start a job. An Idempotency-Key makes a repeated call find the first one.',
        body: JOB_BODY,
        answer: { status: 202, content: JOB_ACCEPTED },
        async handle(context) {
          const json = await jsonBody(context);
          const key = context.req.header('idempotency-key');
          if (key !== undefined && !IDEMPOTENCY_KEY.test(key)) {
            const expected = '1 to 255 visible ASCII characters';
            throw invalidRequest([{ option: 'Idempotency-Key', expected, received: `${key.length} others` }]);
          }
          const caller = context.get('caller');
          const start = (repeat: Repeat | undefined) => startJob(json, context, service, { kept, repeat });
          const { job, repeated } = await store.create(caller, key, JSON.stringify(json), start);
          const links = job.links();
          return context.json(links, 202, {
            location: links.poll_url,
            ...(repeated && { 'idempotency-replayed': 'true' }),
          });
        },
      },
      {
        method: 'post',
        path: '/v1/jobs/stream',
        admit: (caller) => service.admit('jobs', caller),
        summary: 'The events of a job for one who listens, and ends it by leaving; nobody else can ask after it.',
        body: JOB_BODY,
        answer: { status: 200, content: ['text/event-stream'] },
        async handle(context) {
          const job = startJob(await jsonBody(context), context, service, null);
          const { events, leave } = job.watch();
          const end = () => {
            leave();
            job.cancel();
          };
          // Gone before there was anything to send, or while it is sent.
          const { signal } = context.req.raw;
          signal.addEventListener('abort', end);
          if (signal.aborted) end();
          await job.accepted;
          return eventStream(events, end);
        },
      },
      {
        method: 'get',
        path: '/v1/jobs/:id',
        summary: 'What has become of a job; its images, when it is completed.',
        answer: { status: 200, content: JOB_ANSWER },
        handle: async (context) => context.json((await jobOf(context)).describe()),
      },
      {
        method: 'get',
        path: '/v1/jobs/:id/events',
        summary: 'A job from now on: status, step, preview, and its end, as server-sent events.',
        answer: { status: 200, content: ['text/event-stream'] },
        async handle(context) {
          const { events, leave } = (await jobOf(context)).watch();
          return eventStream(events, leave);
        },
      },
      {
        method: 'post',
        path: '/v1/jobs/:id/cancel',
        summary: 'End a job; 409 where it is over.',
        answer: { status: 200, content: JOB_ANSWER },
        async handle(context) {
          const job = await jobOf(context);
          if (job.isOver) throw refusal('job_finished', `The job is ${job.status} already`);
          job.cancel();
          await job.over;
          return context.json(job.describe());
        },
      },
    ],
  };
}

/** @param remembered how others find it; null for one that ends with its connection */
function startJob(
  json: unknown,
  context: RequestContext,
  service: ImageService,
  remembered: { readonly kept: number; readonly repeat: Repeat | undefined } | null,
): Job {
  const { value: body, issues } = readBody(JOB_BODY, json);
  const asked = withPreviews(checkImageBody(service, body, issues), body.previews ?? 0);
  const { signal: _, ...asker } = askerOf(context, 'jobs');
  const { caller } = asker;
  const [id, createdAt] = [newJobId(), Math.floor(Date.now() / 1000)];
  const { file, warnings } = asked;
  const job = remembered === null ? undefined : { id, ...remembered, facts: { caller, createdAt, file, warnings } };
  return new Job(service, asked, {
    ...{ id, createdAt, caller },
    start: (listeners) => service.submit(asked, { ...asker, ...listeners, job }),
  });
}
