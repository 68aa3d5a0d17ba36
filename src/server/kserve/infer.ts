import { z } from 'zod';
import { describeValue } from '../../fields.js';
import { askerOf } from '../http/asker.js';
import type { RequestContext } from '../http/operation.js';
import { invalidRequest } from '../http/refusal.js';
import { readBody, wire } from '../http/wire.js';
import { checkImageBody, IMAGE_FIELDS } from '../images/image-body.js';
import { base64, encodeFile } from '../images/image-file.js';
import type { ImageService } from '../service.js';
import { bytesTensor, int64Tensor, readTensors } from './tensors.js';

const OBJECT = { error: 'an object' };

const tensor = z.object(
  {
    name: wire.text(100),
    shape: wire.list(wire.integer(0, 100_000), 4, 'a list of at most 4 sizes'),
    datatype: wire.text(10),
    data: z.unknown().optional(),
    parameters: z.looseObject({ binary_data_size: wire.integer(0, 1 << 30).optional() }, OBJECT).optional(),
  },
  { error: 'a tensor: { name, shape, datatype, data }' },
);

const output = z.object(
  { name: wire.text(100), parameters: z.looseObject({ binary_data: wire.flag().optional() }, OBJECT).optional() },
  { error: 'an output: { name }' },
);

/** An inference request: one prompt, and the other fields of an image as inputs of one value or as parameters. */
export const INFER_BODY = z.strictObject({
  id: wire.text(200).optional(),
  parameters: wire.record().optional(),
  inputs: wire.list(tensor, 50, 'a list of at most 50 tensors').min(1, { error: 'at least one tensor' }),
  outputs: wire.list(output, 50, 'a list of at most 50 outputs').optional(),
});

const { model: _, ...FIELDS } = IMAGE_FIELDS;
export const KSERVE_FIELDS = z.strictObject(FIELDS);
/** Parameters of the protocol, and not of the image. */
const OF_PROTOCOL = ['binary_data_output', 'priority', 'sequence_id', 'sequence_start', 'sequence_end', 'timeout'];
const OUTPUTS = ['image', 'seed'];
const LENGTH = 'inference-header-content-length';

type InferBody = z.infer<typeof INFER_BODY>;

/** `POST /v2/models/{model}/infer`: images as BYTES, in base64 within JSON, or as they are behind it. */
export async function infer(context: RequestContext, service: ImageService): Promise<Response> {
  const { id: model } = service.models.find(context.req.param('model'));
  const { body, binary } = await readRequest(context);
  const { values, issues } = readTensors(body.inputs, binary);
  const fields = Object.fromEntries(
    [...values].map(([name, list]) => [name, name === 'seeds' || list.length !== 1 ? list : list[0]]),
  );
  const parameters = Object.entries(body.parameters ?? {}).filter(([name]) => !OF_PROTOCOL.includes(name));
  const { value, issues: more } = readBody(KSERVE_FIELDS, { ...Object.fromEntries(parameters), ...fields });
  // An input that could not be read is told once.
  const unread = new Set(issues.map(({ option }) => option));
  const found = [...issues, ...more.filter(({ option }) => !unread.has(option))];
  const checked = checkImageBody(service, { ...value, model }, found);
  const micros = body.parameters?.timeout;
  const asker = askerOf(context, 'kserve');
  const timeout = typeof micros === 'number' && micros > 0 ? micros / 1000 : asker.timeout;
  const images = await service.submit(checked, { ...asker, timeout }).result;
  const files = await Promise.all(images.map((image) => encodeFile(image, checked.file)));
  const seeds = images.map(({ seed }) => seed);
  return respond(context, body, model, files, seeds);
}

/** @throws Refusal option_invalid */
async function readRequest(context: RequestContext): Promise<{ body: InferBody; binary: Uint8Array }> {
  const bytes = new Uint8Array(await context.req.arrayBuffer());
  const length = context.req.header(LENGTH);
  const end = length === undefined ? bytes.byteLength : Number(length);
  if (!Number.isSafeInteger(end) || end < 0 || end > bytes.byteLength) {
    throw invalidRequest([{ option: LENGTH, expected: `at most ${bytes.byteLength}`, received: String(length) }]);
  }
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder().decode(bytes.subarray(0, end)));
  } catch {
    throw invalidRequest([{ option: 'body', expected: 'JSON', received: `${end} bytes that are none` }]);
  }
  const { value, issues } = readBody(INFER_BODY, json);
  const strange = (value.outputs ?? []).filter(({ name }) => !OUTPUTS.includes(name));
  const expected = OUTPUTS.join(' or ');
  const outputs = strange.map(({ name }) => ({ option: 'outputs', expected, received: describeValue(name) }));
  if (issues.length + outputs.length > 0) throw invalidRequest([...issues, ...outputs]);
  return { body: value as InferBody, binary: bytes.subarray(end) };
}

function respond(
  context: RequestContext,
  { id, parameters, outputs }: InferBody,
  model: string,
  files: readonly Uint8Array[],
  seeds: readonly number[],
): Response {
  const all = parameters?.binary_data_output === true;
  const made = [
    { name: 'image', datatype: 'BYTES', data: () => files.map(base64), bytes: () => bytesTensor(files) },
    { name: 'seed', datatype: 'INT64', data: () => seeds, bytes: () => int64Tensor(seeds) },
  ];
  const behind: Uint8Array[] = [];
  const written = made
    .filter(({ name }) => outputs === undefined || outputs.some((each) => each.name === name))
    .map(({ name, datatype, data, bytes }) => {
      const shape = [seeds.length];
      const wanted = outputs?.find((each) => each.name === name)?.parameters?.binary_data ?? all;
      if (!wanted) return { name, datatype, shape, data: data() };
      const tensorBytes = bytes();
      behind.push(tensorBytes);
      return { name, datatype, shape, parameters: { binary_data_size: tensorBytes.byteLength } };
    });
  const json = JSON.stringify({ model_name: model, model_version: '1', id, outputs: written });
  if (behind.length === 0) return context.body(json, 200, { 'content-type': 'application/json' });
  return context.body(new Uint8Array(Buffer.concat([Buffer.from(json), ...behind])), 200, {
    'content-type': 'application/octet-stream',
    [LENGTH]: String(Buffer.byteLength(json)),
  });
}
