import type { LoadOptions, RequestOptions } from '../../options.js';
import type { GenerateOptions, Pipeline } from '../../pipeline.js';
import { withEventLoopDelay } from '../event-loop.js';
import type { Draw, ImageTimes, Subject } from '../subject.js';
import { firstImageOfProcess } from './first-image.js';

export interface BackendSubjectOptions {
  /** What the pipeline was loaded with, for the processes that load it anew. */
  readonly load: LoadOptions;
  readonly request: RequestOptions;
  /** Runtime and device. */
  readonly runsOn: string;
  readonly concurrency: readonly number[];
}

/** The SDK on the backend of an open pipeline, which it closes in the end. */
export function backendSubject(pipeline: Pipeline, options: BackendSubjectOptions): Subject {
  const { load, request, runsOn, concurrency } = options;
  const { name } = pipeline.backend;
  const warnings = new Set<string>();
  return {
    name,
    runsOn,
    warmups: 1,
    concurrency,
    warnings,
    draw: (requests, signal) => draw(pipeline, { ...request, signal }, requests, warnings),
    firstImage: (signal) => firstImageOfProcess({ load: { ...load, backend: name }, request }, signal),
    close: () => pipeline.close(),
  };
}

async function draw(pipeline: Pipeline, request: GenerateOptions, requests: number, told: Set<string>): Promise<Draw> {
  const start = performance.now();
  const one = async () => {
    const { images, timings, warnings } = await pipeline.generate(request);
    for (const { message } of warnings) told.add(message);
    const { textEncoder, unet, vaeDecoder } = timings;
    const times: ImageTimes = {
      ms: performance.now() - start,
      unetMs: unet,
      networksMs: textEncoder + unet + vaeDecoder,
    };
    return { times, image: images[0] };
  };
  const { result, delayMs } = await withEventLoopDelay(() => Promise.all(Array.from({ length: requests }, one)));
  return {
    wallMs: performance.now() - start,
    images: result.map(({ times }) => times),
    eventLoopDelayMs: delayMs,
    pixels: result[0]?.image as NonNullable<(typeof result)[0]['image']>,
  };
}
