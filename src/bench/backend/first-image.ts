import { childEntry, type ProcessKind, RuntimeProcess } from '../../backends/process/runtime-process.js';
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

const FRESH: ProcessKind = {
  entry: childEntry(import.meta.url, 'first-image-child.js'),
  runtime: 't2i',
  installHint: 'Run `t2i doctor`, which shows what can run here.',
};

/**
 * Starts a process, loads the model in it and draws one image.
 *
 * @throws T2IError what `Pipeline.load` and `generate` throw, BACKEND_CRASHED; the signal's reason
 */
export async function firstImageOfProcess(request: FirstImageRequest, signal: AbortSignal): Promise<FirstImage> {
  signal.throwIfAborted();
  const start = performance.now();
  const child = new RuntimeProcess(FRESH);
  const stop = () => void child.stop();
  signal.addEventListener('abort', stop, { once: true });
  try {
    await child.ready();
    const reply = (await child.call('firstImage', request)) as FirstImageReply;
    return { ms: performance.now() - start, ...reply };
  } catch (error) {
    throw signal.aborted ? signal.reason : error;
  } finally {
    signal.removeEventListener('abort', stop);
    await child.stop();
  }
}
