import { z } from 'zod';
import { jsonBody } from '../http/json-body.js';
import type { Dialect, Operation } from '../http/operation.js';
import type { Refusal } from '../http/refusal.js';
import { readBody } from '../http/wire.js';
import { answerWithImages, fileIssues, IMAGES_ANSWER } from '../images/answer.js';
import { checkImageBody, IMAGE_FIELDS } from '../images/image-body.js';
import type { ImageService } from '../service.js';

const { model: _, ...FIELDS } = IMAGE_FIELDS;
const BODY = z.strictObject(FIELDS);
const ERROR = z.object({ code: z.int(), type: z.string(), message: z.string() });

const TYPES: Readonly<Record<number, string>> = {
  400: 'BadRequestException',
  401: 'InvalidKeyException',
  404: 'ModelNotFoundException',
  429: 'ServiceUnavailableException',
  503: 'ServiceUnavailableException',
};

/** TorchServe's inference API, as far as clients call it: `/predictions/{model}`. Its `/ping` is SageMaker's, too. */
export function torchserveDialect(service: ImageService): Dialect {
  const predict = (method: Operation['method'], path: string): Operation => ({
    method,
    path,
    summary: 'Make images with a model: JSON, or with Accept: image/* the file of one.',
    values: { model: service.models.ids },
    body: BODY,
    answer: { status: 200, content: IMAGES_ANSWER },
    admit: (caller) => service.admit('torchserve', caller),
    async handle(context) {
      const model = context.req.param('model') ?? '';
      service.models.find(model);
      const { value, issues } = readBody(BODY, await jsonBody(context));
      const found = [...issues, ...fileIssues(context, value)];
      const checked = checkImageBody(service, { ...value, model }, found);
      return answerWithImages(context, service, checked, 'torchserve');
    },
  });
  return {
    name: 'torchserve',
    owns: (path) => path.startsWith('/predictions/'),
    errorBody: ({ status, message }: Refusal) => ({
      code: status,
      type: TYPES[status] ?? (status < 500 ? 'BadRequestException' : 'InternalServerException'),
      message,
    }),
    errorSchema: ERROR,
    operations: [predict('post', '/predictions/:model'), predict('put', '/predictions/:model')],
  };
}
