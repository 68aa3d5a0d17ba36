import type { Dialect, Operation } from '../http/operation.js';
import type { ImageStore } from '../images/image-store.js';
import type { ServedModel } from '../models/served-model.js';
import type { ImageService } from '../service.js';
import { openaiError } from './errors.js';
import { generateImages } from './generations.js';
import { GENERATION_ANSWER, GENERATION_BODY, MODEL_ANSWER, MODELS_ANSWER, OPENAI_ERROR } from './schema.js';

/** OpenAI's image API. Its error shape is that of every path that no other API owns. */
export function openaiDialect(service: ImageService, store: ImageStore | null, startedAt: Date): Dialect {
  const describe = ({ id }: ServedModel) => ({
    id,
    object: 'model',
    created: Math.floor(startedAt.getTime() / 1000),
    owned_by: 't2i',
  });
  const images: Operation = {
    method: 'get',
    path: '/v1/images/files/:name',
    summary: 'An image that was asked for by url.',
    answer: { status: 200, content: ['image/png', 'image/jpeg', 'image/webp'] },
    async handle(context) {
      const { bytes, type } = await (store as ImageStore).read(context.req.param('name') ?? '');
      return context.body(bytes, 200, { 'content-type': type, 'x-content-type-options': 'nosniff' });
    },
  };
  return {
    name: 'openai',
    owns: () => true,
    errorBody: openaiError,
    errorSchema: OPENAI_ERROR,
    operations: [
      {
        method: 'post',
        path: '/v1/images/generations',
        admit: (caller) => service.admit('openai', caller),
        summary: 'Make images, as OpenAI does.',
        body: GENERATION_BODY,
        answer: { status: 200, content: GENERATION_ANSWER },
        handle: (context) => generateImages(context, service, store),
      },
      {
        method: 'get',
        path: '/v1/models',
        summary: 'The models of this server.',
        answer: { status: 200, content: MODELS_ANSWER },
        handle: (context) => context.json({ object: 'list', data: service.models.all.map(describe) }),
      },
      {
        method: 'get',
        path: '/v1/models/:id',
        summary: 'One model.',
        values: { id: service.models.ids },
        answer: { status: 200, content: MODEL_ANSWER },
        handle: (context) => context.json(describe(service.models.find(context.req.param('id')))),
      },
      ...(store === null ? [] : [images]),
    ],
  };
}
