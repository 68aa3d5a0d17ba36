import type { Issue } from '../../errors.js';
import { describeValue, isRecord, withoutUndefined } from '../../fields.js';
import type { GeneratedImage } from '../../image/generated-image.js';
import { writeParameters } from '../../image/parameters.js';
import type { RequestOptions } from '../../options.js';
import { askerOf } from '../http/asker.js';
import { jsonBody } from '../http/json-body.js';
import type { RequestContext } from '../http/operation.js';
import { readBody } from '../http/wire.js';
import type { CheckedRequest, ImageService } from '../service.js';
import { etaOf, labelOf, samplerOf } from './samplers.js';
import { NOT_HERE, TXT2IMG_BODY, TXT2IMG_FIELDS } from './schema.js';
import type { OpenRequest, Sessions } from './sessions.js';

const NAMES: Readonly<Record<string, string>> = {
  n: 'batch_size',
  negativePrompt: 'negative_prompt',
  guidanceScale: 'cfg_scale',
  sampler: 'sampler_name',
  sigmas: 'scheduler',
};

/** `POST /sdapi/v1/txt2img`. One that is interrupted answers the images that were done. */
export async function txt2img(context: RequestContext, service: ImageService, sessions: Sessions): Promise<Response> {
  const json = await jsonBody(context);
  const caller = context.get('caller');
  const checked = check(json, service, sessions.modelOf(caller));
  const done: GeneratedImage[] = [];
  const leave = new AbortController();
  const accepted = service.submit(checked, {
    ...askerOf(context, 'a1111'),
    signal: AbortSignal.any([context.req.raw.signal, leave.signal]),
    onStep: (event) => {
      open.progress = event;
    },
    onImage: (_, image) => done.push(image),
  });
  const open: OpenRequest = {
    ...{ caller, accepted, since: new Date(), progress: null, interrupted: false },
    interrupt: () => leave.abort(new DOMException('Interrupted', 'AbortError')),
  };
  const remove = sessions.add(open);
  try {
    await accepted.result.catch((error) => {
      if (!open.interrupted) throw error;
    });
  } finally {
    remove();
  }
  const images = await Promise.all(done.map((image) => image.toBase64()));
  const info = JSON.stringify(infoOf(checked, done, open.interrupted));
  return context.json({ images, parameters: isRecord(json) ? json : {}, info });
}

/** @throws Refusal model_not_found; option_invalid with every mistake */
function check(json: unknown, service: ImageService, chosen: string | undefined): CheckedRequest {
  const known = isRecord(json)
    ? Object.fromEntries(Object.entries(json).filter(([name]) => Object.hasOwn(TXT2IMG_FIELDS, name)))
    : json;
  const { value: body, issues } = readBody(TXT2IMG_BODY, known);
  const { sampler, sigmas } = samplerOf(
    body.sampler_name ?? body.sampler_index ?? undefined,
    body.scheduler ?? undefined,
  );
  const model = body.override_settings?.sd_model_checkpoint;
  const seed = body.seed === -1 ? undefined : (body.seed ?? undefined);
  const options: RequestOptions = {
    prompt: body.prompt ?? '',
    negativePrompt: body.negative_prompt ?? undefined,
    seed,
    n: (body.batch_size ?? 1) * (body.n_iter ?? 1),
    steps: body.steps ?? undefined,
    guidanceScale: body.cfg_scale ?? undefined,
    ...{ sampler, sigmas },
    width: body.width ?? undefined,
    height: body.height ?? undefined,
    eta: etaOf(sampler, body.eta ?? undefined),
  };
  const found = [...issues, ...notHere(json)];
  const id = typeof model === 'string' ? modelOf(model) : chosen;
  return service.check(id, withoutUndefined(options), found, (option) => NAMES[option] ?? option);
}

/** That program lists models as `name [hash]`, and clients send back what it lists. */
export const modelOf = (title: string) => title.replace(/ \[[0-9a-f]+\]$/, '');

function notHere(json: unknown): Issue[] {
  if (!isRecord(json)) return [];
  const wanted = NOT_HERE.filter((name) => {
    const value = json[name];
    return Boolean(value) && Object.keys(Object(value)).length + Number(typeof value !== 'object') > 0;
  });
  return wanted.map((option) => ({
    option,
    expected: 'nothing on this server',
    received: describeValue(json[option]),
  }));
}

function infoOf(
  { served, request, warnings }: CheckedRequest,
  images: readonly GeneratedImage[],
  interrupted: boolean,
) {
  const seeds = images.map(({ seed }) => seed);
  return {
    prompt: request.prompt,
    all_prompts: images.map(() => request.prompt),
    negative_prompt: request.negativePrompt,
    all_negative_prompts: images.map(() => request.negativePrompt),
    seed: request.seeds[0],
    all_seeds: seeds,
    ...{ width: request.width, height: request.height, steps: request.steps, cfg_scale: request.guidanceScale },
    sampler_name: labelOf(request.sampler),
    batch_size: request.seeds.length,
    sd_model_name: served.id,
    infotexts: images.map(({ receipt }) => writeParameters(receipt)),
    interrupted,
    warnings: warnings.map(({ message }) => message),
  };
}
