import { callOnce } from '../../backends/process/call-once.js';
import type { ProcessKind, RuntimeProcess } from '../../backends/process/runtime-process.js';
import type { CallContext } from '../../backends/process/service.js';
import { builtEntry } from '../../built-entry.js';
import type { LoadOptions, RequestOptions } from '../../options.js';
import type { PeakMemory } from '../memory.js';
import type { FirstImage } from '../subject.js';

/** What a fresh process is told: plain values alone, which can be sent there. */
export interface FirstImageRequest {
  readonly load: LoadOptions;
  readonly request: RequestOptions;
}

/** What the process says once its image is there. */
export interface FirstImageReply {
  readonly loadMs: number;
  readonly memory: PeakMemory;
}

export interface FirstImageService {
  firstImage(request: FirstImageRequest, context: CallContext): Promise<FirstImageReply>;
}

const FRESH: ProcessKind<FirstImageService> = {
  entry: builtEntry(import.meta.url, 'first-image-child.js'),
  runtime: 't2i',
  installHint: 'Run `t2i doctor`, which shows what can run here.',
};

/**
 * Starts a process, loads the model in it and draws one image.
 *
 * @throws T2IError what `Pipeline.load` and `generate` throw, BACKEND_CRASHED; the signal's reason
 */
export function firstImageOfProcess(request: FirstImageRequest, signal: AbortSignal): Promise<FirstImage> {
  const start = performance.now();
  const drawn = async (child: RuntimeProcess<FirstImageService>) => {
    const reply = await child.call('firstImage', request);
    return { ms: performance.now() - start, ...reply };
  };
  return callOnce(FRESH, drawn, signal);
}
