import { z } from 'zod';
import { packageVersion } from '../../pipeline/package-version.js';
import type { Dialect, Operation, RequestContext } from '../http/operation.js';
import type { Refusal } from '../http/refusal.js';
import type { ImageService } from '../service.js';
import { INFER_BODY, infer } from './infer.js';

const TENSOR = z.object({ name: z.string(), datatype: z.string(), shape: z.array(z.int()) });
const LIVE = z.object({ live: z.boolean() });
const READY = z.object({ ready: z.boolean() });

const SERVER = z.object({ name: z.string(), version: z.string(), extensions: z.array(z.string()) });
const MODEL = z.object({
  name: z.string(),
  versions: z.array(z.string()),
  platform: z.string(),
  inputs: z.array(TENSOR),
  outputs: z.array(TENSOR),
});

const INFER_ANSWER = z.object({
  model_name: z.string(),
  model_version: z.string(),
  id: z.string().optional(),
  outputs: z.array(TENSOR.extend({ data: z.array(z.unknown()).optional() }).loose()),
});

/** KServe's open inference protocol, version 2, with Triton's extension for binary tensors. */
export function kserveDialect(service: ImageService): Dialect {
  const { models, queue } = service;
  const values = { model: models.ids };
  const find = (context: RequestContext) => models.find(context.req.param('model'));
  const get = (path: string, summary: string, content: z.ZodType, handle: Operation['handle']): Operation => ({
    ...{ method: 'get', path, summary, values, answer: { status: 200, content }, handle },
  });
  const post = (path: string): Operation => ({
    ...{ method: 'post', path, summary: 'Make images of one prompt.', values, body: INFER_BODY },
    answer: { status: 200, content: INFER_ANSWER },
    admit: (caller) => service.admit('kserve', caller),
    handle: (context) => infer(context, service),
  });
  const ready: Operation['handle'] = (context) => context.json({ ready: !queue.draining }, queue.draining ? 503 : 200);
  const readyModel: Operation['handle'] = (context) => {
    find(context);
    return ready(context);
  };
  return {
    name: 'kserve',
    owns: (path) => path === '/v2' || path.startsWith('/v2/'),
    errorBody: ({ message }: Refusal) => ({ error: message }),
    errorSchema: z.object({ error: z.string() }),
    operations: [
      get('/v2', 'Name and version.', SERVER, (context) =>
        context.json({
          name: 't2i',
          version: packageVersion().split(' ')[1] ?? '',
          extensions: ['binary_tensor_data'],
        }),
      ),
      { ...get('/v2/health/live', 'That the process lives.', LIVE, (c) => c.json({ live: true })), open: true },
      get('/v2/health/ready', 'Whether it takes requests; 503 while it drains.', READY, ready),
      get('/v2/models/:model/ready', 'The same of a model, which is opened when it is needed.', READY, readyModel),
      get('/v2/models/:model', 'What a model takes and gives.', MODEL, (context) =>
        context.json(describe(find(context).id)),
      ),
      post('/v2/models/:model/infer'),
      post('/v2/models/:model/versions/1/infer'),
    ],
  };
}

function describe(name: string): z.infer<typeof MODEL> {
  const one = (input: string, datatype: string) => ({ name: input, datatype, shape: [1] });
  return {
    name,
    versions: ['1'],
    platform: 't2i',
    inputs: [
      one('prompt', 'BYTES'),
      one('negative_prompt', 'BYTES'),
      one('seed', 'INT64'),
      one('n', 'INT32'),
      one('steps', 'INT32'),
      one('guidance_scale', 'FP32'),
      one('sampler', 'BYTES'),
      one('size', 'BYTES'),
    ],
    outputs: [
      { name: 'image', datatype: 'BYTES', shape: [-1] },
      { name: 'seed', datatype: 'INT64', shape: [-1] },
    ],
  };
}
