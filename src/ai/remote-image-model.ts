import type { ImageModelV3, ImageModelV3CallOptions } from '@ai-sdk/provider';
import { withoutUndefined } from '../fields.js';
import { readJson } from '../http/body.js';
import { request } from '../http/request.js';
import { MAX_IMAGES } from '../options.js';
import { readCall } from './call-options.js';
import { readAnswer, refusalOf, toBody } from './wire.js';

/** Where a server of images is, and how to ask it. */
export interface Server {
  /** Address of its OpenAI API, such as http://127.0.0.1:8080/v1, without a slash at the end. */
  readonly baseURL: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** A hundred images of a large model on a slow machine. */
const TIMEOUT = 10 * 60_000;
const ATTEMPTS = 3;
const LARGEST_ANSWER = 2 ** 29;

/**
 * A model of `t2i serve`, over HTTP; images are PNG files with a receipt, in base64 as they come. No private names: the AI SDK puts a
 * proxy before it, which has none.
 */
export class RemoteImageModel implements ImageModelV3 {
  readonly specificationVersion = 'v3';
  readonly provider = 't2i';
  /** As of a model in this process. */
  readonly maxImagesPerCall = MAX_IMAGES;

  constructor(
    readonly modelId: string,
    private readonly server: Server,
  ) {}

  /** @throws T2IError OPTION_INVALID, MODEL_NOT_FOUND, and those of `request`; the signal's reason when aborted */
  async doGenerate(call: ImageModelV3CallOptions) {
    const { options, warnings } = readCall(call);
    const { abortSignal: signal } = call;
    const url = `${this.server.baseURL}/images/generations`;
    const response = await request(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...this.server.headers, ...withoutUndefined(call.headers ?? {}) },
      body: JSON.stringify(toBody(this.modelId, options)),
      signal,
      // Nothing is kept of a request: made again it makes the same images.
      idempotent: true,
      attempts: ATTEMPTS,
      timeout: TIMEOUT,
      expect: [400, 404],
      hint: (status) => (status === 401 ? 'Give the apiKey that the server was started with.' : undefined),
    });
    const json = await readJson(response, { limit: LARGEST_ANSWER, signal, idle: TIMEOUT });
    if (!response.ok) throw refusalOf(json, url);
    const { images, seeds, created, usage, told } = readAnswer(json, call.n, url);
    return {
      images,
      warnings: [...warnings, ...told.map((message) => ({ type: 'other', message }) as const)],
      response: { timestamp: created, modelId: this.modelId, headers: Object.fromEntries(response.headers) },
      providerMetadata: { t2i: { images: seeds.map((seed) => ({ seed })) } },
      usage,
    };
  }
}
