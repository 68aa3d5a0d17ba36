import type { ImageModelV3, ProviderV3 } from '@ai-sdk/provider';
import { type Issue, T2IError } from '../errors.js';
import { checkFields, describeValue, type Field, isRecord, refuse, text } from '../fields.js';
import { LocalImageModel } from './local-image-model.js';
import { type LocalLoadOptions, Pipelines } from './pipelines.js';
import { RemoteImageModel } from './remote-image-model.js';

/** Where the models of a provider run: with `baseURL` on a server, without in this process. */
export interface T2IProviderOptions {
  /** Address of the OpenAI API of `t2i serve`, such as `http://127.0.0.1:8080/v1`. */
  readonly baseURL?: string | undefined;
  /** A key of the server; sent to it and to no other. */
  readonly apiKey?: string | undefined;
  /** Headers of each request to the server. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** How models are loaded in this process: backend, device, threads and so on, as `Pipeline.load` takes them. */
  readonly load?: LocalLoadOptions | undefined;
}

/** A provider of the AI SDK with image models alone. */
export interface T2IProvider extends ProviderV3 {
  /** @param modelId as `Pipeline.load` takes it: a model that ships, a folder, or OWNER/NAME of the Hub; on a server, one of its models */
  image(modelId: string): ImageModelV3;
  /** The same, by the name that registries use. */
  imageModel(modelId: string): ImageModelV3;
  /** Frees the models of this process; one that is used again is loaded again. May be called twice. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

const aRecord: Field = { expected: 'an object', accepts: (value) => isRecord(value) };
const FIELDS: Record<keyof T2IProviderOptions, Field> = {
  baseURL: {
    expected: 'an http or https address such as http://127.0.0.1:8080/v1',
    accepts: (value) => typeof value === 'string' && URL.canParse(value) && /^https?:$/.test(new URL(value).protocol),
  },
  apiKey: text('a key', 1, 10_000),
  headers: {
    expected: 'headers by their names, each text',
    accepts: (value) => isRecord(value) && Object.values(value).every((each) => typeof each === 'string'),
  },
  load: aRecord,
};

/**
 * Makes a provider for the AI SDK.
 *
 *     const { images } = await generateImage({ model: createT2I({ baseURL }).image('emoji-128'), prompt: 'a red apple' });
 *
 * @throws T2IError OPTION_INVALID with every mistake; options of a load are checked when a model is loaded
 */
export function createT2I(options: T2IProviderOptions = {}): T2IProvider {
  refuse([...checkFields(options, FIELDS).map(withoutKey), ...contradictions(options)]);
  const { baseURL, apiKey, headers, load = {} } = options;
  const pipelines = new Pipelines(load);
  const image = (modelId: string): ImageModelV3 => {
    if (baseURL === undefined) return new LocalImageModel(modelId, pipelines);
    const authorization = apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` };
    const server = { baseURL: baseURL.replace(/\/+$/, ''), headers: { ...headers, ...authorization } };
    return new RemoteImageModel(modelId, server);
  };
  const close = () => pipelines.close();
  return {
    specificationVersion: 'v3',
    image,
    imageModel: image,
    languageModel: (modelId) => noSuchModel('language', modelId),
    embeddingModel: (modelId) => noSuchModel('embedding', modelId),
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** Models in this process, with the best backend that runs here. */
export const t2i: T2IProvider = createT2I();

function contradictions({ baseURL, apiKey, headers, load }: T2IProviderOptions): Issue[] {
  const beside = baseURL === undefined ? { apiKey, headers } : { load };
  const expected =
    baseURL === undefined ? 'nothing without baseURL' : 'nothing beside baseURL, where the server loads models';
  return Object.entries(beside).flatMap(([option, value]) =>
    value === undefined ? [] : [withoutKey({ option, expected, received: describeValue(value) })],
  );
}

/** A key is never shown, not even one that is wrong. */
function withoutKey(issue: Issue): Issue {
  return issue.option === 'apiKey' ? { ...issue, received: 'another value' } : issue;
}

function noSuchModel(kind: string, modelId: string): never {
  throw new T2IError('MODEL_NOT_FOUND', `${JSON.stringify(modelId)}: @t2i/sdk has no ${kind} models`, {
    hint: 'It makes images: use image() or imageModel().',
  });
}
