import { z } from 'zod';
import type { Health } from '../health.js';
import { askerOf } from '../http/asker.js';
import { jsonBody, jsonLines } from '../http/json-body.js';
import type { Dialect, RequestContext } from '../http/operation.js';
import { readBody } from '../http/wire.js';
import { answerWithImages, fileIssues, IMAGES_ANSWER, jsonOfImages } from '../images/answer.js';
import { checkImageBody, IMAGE_FIELDS } from '../images/image-body.js';
import { openaiError } from '../openai/errors.js';
import { OPENAI_ERROR } from '../openai/schema.js';
import type { ImageService } from '../service.js';

const BODY = z.strictObject(IMAGE_FIELDS);
const LINES = /^application\/(?:x-)?(?:jsonlines|ndjson)\b/i;

/**
 * What a container of SageMaker answers: `/ping`, and `/invocations` with one request, or with one a line for batch transforms.
 * TorchServe's `/ping` is the same.
 */
export function sagemakerDialect(service: ImageService, health: Pick<Health, 'isBroken'>): Dialect {
  const isHealthy = () => !service.queue.draining && !health.isBroken;
  return {
    name: 'sagemaker',
    // Its errors are OpenAI's, as all are that nobody owns.
    owns: () => false,
    errorBody: openaiError,
    errorSchema: OPENAI_ERROR,
    operations: [
      {
        method: 'get',
        path: '/ping',
        summary: 'Whether it takes requests; 503 while it drains.',
        answer: { status: 200, content: z.object({ status: z.enum(['Healthy', 'Unhealthy']) }) },
        open: true,
        handle: (context) =>
          isHealthy() ? context.json({ status: 'Healthy' }) : context.json({ status: 'Unhealthy' }, 503),
      },
      {
        method: 'post',
        path: '/invocations',
        admit: (caller) => service.admit('sagemaker', caller),
        summary: 'Make images: JSON, or with Accept: image/* the file of one. JSON Lines make one request a line.',
        body: BODY,
        answer: { status: 200, content: IMAGES_ANSWER },
        async handle(context) {
          if (LINES.test(context.req.header('content-type') ?? '')) return invokeLines(context, service);
          const { value: body, issues } = readBody(BODY, await jsonBody(context));
          const checked = checkImageBody(service, body, [...issues, ...fileIssues(context, body)]);
          return answerWithImages(context, service, checked, 'sagemaker');
        },
      },
    ],
  };
}

/** All lines are checked before the first is carried out; they go through the queue one after the other, so that others have their turns. */
async function invokeLines(context: RequestContext, service: ImageService): Promise<Response> {
  const checked = await jsonLines(context, (line) => {
    const { value: body, issues } = readBody(BODY, line);
    return checkImageBody(service, body, issues);
  });
  const answers: string[] = [];
  for (const each of checked) {
    const { result } = service.submit(each, askerOf(context, 'sagemaker'));
    answers.push(`${JSON.stringify(await jsonOfImages(each, await result))}\n`);
  }
  return context.body(answers.join(''), 200, { 'content-type': 'application/jsonlines' });
}
