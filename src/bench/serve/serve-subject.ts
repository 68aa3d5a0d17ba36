import { type ProcessKind, RuntimeProcess } from '../../backends/process/runtime-process.js';
import { builtEntry } from '../../built-entry.js';
import { T2IError } from '../../errors.js';
import { decodeImage } from '../../image/decode.js';
import type { Request } from '../../options.js';
import type { ServerOptions } from '../../server/options.js';
import type { Draw, ImageTimes, Subject } from '../subject.js';

/** What the serving process is told: plain values alone, which can be sent there. */
export interface ServedRequest {
  /** Directory of the model. */
  readonly model: string;
  readonly load: ServerOptions['load'];
  /** Most requests that wait. */
  readonly queue: number;
}

export interface ServeSubjectOptions extends ServedRequest {
  /** Name of the backend that it opens. */
  readonly backend: string;
  readonly runsOn: string;
  readonly request: Request;
  readonly concurrency: readonly number[];
}

/** What the serving process offers. */
export interface ServingService {
  /** @returns the server's address */
  listen(request: ServedRequest): Promise<string>;
}

const SERVING: ProcessKind<ServingService> = {
  entry: builtEntry(import.meta.url, 'serve-child.js'),
  runtime: 't2i serve',
  installHint: 'Run `t2i doctor`, which shows what can run here.',
};

/**
 * The same model behind `t2i serve`, in a process of its own, asked over HTTP.
 *
 * @throws T2IError as `createServer`, BACKEND_CRASHED; the signal's reason
 */
export async function serveSubject(options: ServeSubjectOptions, signal: AbortSignal): Promise<Subject> {
  const { backend, runsOn, request, concurrency, model, load, queue } = options;
  signal.throwIfAborted();
  const child = new RuntimeProcess(SERVING);
  try {
    const url = await child.stoppedBy(signal, async () => {
      await child.ready();
      return child.call('listen', { model, load: { ...load, backend }, queue });
    });
    return {
      name: `serve (${backend})`,
      runsOn: `${runsOn}, over HTTP, ${queue} may wait`,
      warmups: 1,
      concurrency,
      warnings: new Set(),
      draw: (requests, stop) => draw(`${url}/v1/images/generations`, bodyOf(request), requests, stop),
      firstImage: null,
      close: () => child.stop(),
    };
  } catch (error) {
    await child.stop();
    throw error;
  }
}

/** @throws T2IError REMOTE_REFUSED where it answers with another error than that its queue is full */
async function draw(url: string, body: string, requests: number, signal: AbortSignal): Promise<Draw> {
  const start = performance.now();
  const one = async (): Promise<{ times: ImageTimes; b64: string } | null> => {
    const headers = { 'content-type': 'application/json' };
    const response = await fetch(url, { method: 'POST', headers, body, signal });
    const text = await response.text();
    if (response.status === 429) return null;
    if (!response.ok) throw new T2IError('REMOTE_REFUSED', `The server answered ${response.status}: ${text}`);
    const times = { ms: performance.now() - start, unetMs: null, networksMs: null };
    const [image] = (JSON.parse(text) as { data: [{ b64_json: string }] }).data;
    return { times, b64: image.b64_json };
  };
  const answers = await Promise.all(Array.from({ length: requests }, one));
  const wallMs = performance.now() - start;
  const made = answers.filter((answer) => answer !== null);
  const [first] = made;
  if (first === undefined) throw new T2IError('REMOTE_REFUSED', 'The server refused every request');
  return {
    wallMs,
    images: made.map(({ times }) => times),
    refused: requests - made.length,
    eventLoopDelayMs: null,
    pixels: await decodeImage(new Uint8Array(Buffer.from(first.b64, 'base64'))),
  };
}

function bodyOf({ prompt, negativePrompt, seeds, steps, guidanceScale, sampler, width, height }: Request): string {
  return JSON.stringify({
    ...{ prompt, negative_prompt: negativePrompt, seed: seeds[0], steps, sampler },
    guidance_scale: guidanceScale,
    size: `${width}x${height}`,
  });
}
