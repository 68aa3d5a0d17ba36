import type { ImageModelV3, ImageModelV3CallOptions } from '@ai-sdk/provider';
import { MAX_IMAGES } from '../options.js';
import { asCallFault, readCall } from './call-options.js';
import type { Pipelines } from './pipelines.js';

/** A model that runs in this process's pipeline; images are PNG files with a receipt. No private names, as of the remote one. */
export class LocalImageModel implements ImageModelV3 {
  readonly specificationVersion = 'v3';
  readonly provider = 't2i';
  /** The seeds of a call count up; with more images than that the AI SDK begins a second call, with the first seed again. */
  readonly maxImagesPerCall = MAX_IMAGES;

  constructor(
    readonly modelId: string,
    private readonly pipelines: Pipelines,
  ) {}

  async doGenerate(call: ImageModelV3CallOptions) {
    const { options, warnings } = readCall(call);
    const signal = call.abortSignal;
    const pipeline = await this.pipelines.of(this.modelId, signal);
    const result = await pipeline.generate({ ...options, signal }).catch((error) => {
      throw asCallFault(error);
    });
    return {
      images: await Promise.all(result.images.map((image): Promise<Uint8Array> => image.toBuffer('png'))),
      warnings: [...warnings, ...result.warnings.map(({ message }) => ({ type: 'other', message }) as const)],
      response: { timestamp: new Date(), modelId: this.modelId, headers: undefined },
      providerMetadata: { t2i: { images: result.images.map(({ seed }) => ({ seed })) } },
    };
  }
}
