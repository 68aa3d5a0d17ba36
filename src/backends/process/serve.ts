import { Worker } from 'node:worker_threads';
import { toFailure } from './failure.js';
import type { Reply, Request } from './messages.js';
import type { CallContext, Method, Service } from './service.js';

/** Bytes of arrays that are not worth a collection. */
const MUCH_GARBAGE = 32 << 20;

/** What a child needs of its process: the way to the caller's, and its own end. */
export type Host = Pick<NodeJS.Process, 'on' | 'send' | 'disconnect' | 'exit'>;

/**
 * Turns this process into the child of a {@link RuntimeProcess}: loads the runtime, says so, then answers calls until the caller's
 * process is gone.
 *
 * @param start loads the runtime; what it throws is the reason why the backend is unavailable
 */
export async function serve<S extends Service<S>>(start: () => Promise<S>): Promise<void> {
  watchCaller();
  await serveOn(process, start);
}

/** What {@link serve} does in `host`, but for the watch over a caller that is gone. */
export async function serveOn<S extends Service<S>>(host: Host, start: () => Promise<S>): Promise<void> {
  // The parent is gone: nobody waits for what is still being computed.
  host.on('disconnect', () => host.exit());
  // Ctrl-C reaches every process of the terminal; whether it ends the job is the parent's decision.
  host.on('SIGINT', () => {});
  try {
    answerCalls(host, (await start()) as Readonly<Record<string, Method>>);
    await send(host, { type: 'ready' });
  } catch (error) {
    await send(host, { type: 'unavailable', reason: error instanceof Error ? error.message : String(error) });
    host.disconnect();
  }
}

/** Starts a small thread beside this one, see watchdog.ts; the caller said its process id when it started this one. */
function watchCaller(): void {
  const thread = new Worker(new URL('./watchdog.js', import.meta.url), {
    workerData: Number(process.argv[2]),
    resourceLimits: { maxOldGenerationSizeMb: 8, maxYoungGenerationSizeMb: 2, stackSizeMb: 1 },
    execArgv: [],
  });
  thread.unref();
}

function answerCalls(host: Host, service: Readonly<Record<string, Method>>): void {
  let controller = new AbortController();
  const answer = async ({ method, value, watched }: Extract<Request, { type: 'call' }>): Promise<Reply> => {
    controller = new AbortController();
    const { signal } = controller;
    const context: CallContext<unknown> = {
      signal,
      emit: watched ? (event) => void send(host, { type: 'event', event }) : null,
      opening: (path) => send(host, { type: 'opening', path }),
    };
    try {
      return { type: 'done', result: await service[method]?.(value as never, context as never) };
    } catch (error) {
      return signal.aborted && error === signal.reason ? { type: 'aborted' } : { type: 'failed', ...toFailure(error) };
    }
  };
  host.on('message', (request: Request) => {
    if (request.type === 'abort') controller.abort();
    else
      void answer(request)
        .then((reply) => send(host, reply))
        .then(collectGarbage);
  });
}

/** What large jobs leave behind would stay until later ones fill the heap: arrays, whose memory V8 hardly counts. */
function collectGarbage(): void {
  if (process.memoryUsage().arrayBuffers > MUCH_GARBAGE) globalThis.gc?.();
}

/** Resolves when the reply has left this process. */
function send(host: Host, reply: Reply): Promise<void> {
  return new Promise((resolve) => host.send?.(reply, () => resolve()));
}
