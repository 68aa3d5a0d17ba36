/** One server-sent event (HTML standard, section 9.2). */
export interface ServerSentEvent {
  readonly event: string;
  readonly id?: string | undefined;
  readonly data: unknown;
}

/** Proxies cut a connection on which nothing moves, often after a minute. */
const HEARTBEAT_MS = 15_000;

/**
 * Answers with a stream of events. Nothing is asked of `events` before the client has read what was sent.
 *
 * @param leave called when the client goes away
 */
export function eventStream(events: AsyncIterable<ServerSentEvent>, leave: () => void): Response {
  const iterator = events[Symbol.asyncIterator]();
  const encoder = new TextEncoder();
  let next: Promise<IteratorResult<ServerSentEvent>> | null = null;
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      next ??= iterator.next();
      const result = await orHeartbeat(next);
      if (result === null) {
        controller.enqueue(encoder.encode(': still here\n\n'));
        return;
      }
      next = null;
      if (result.done) controller.close();
      else controller.enqueue(encoder.encode(written(result.value)));
    },
    async cancel() {
      leave();
      await iterator.return?.();
    },
  });
  return new Response(body, {
    headers: {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
      // nginx would collect events before it passes them on.
      'x-accel-buffering': 'no',
    },
  });
}

async function orHeartbeat<T>(next: Promise<T>): Promise<T | null> {
  let timer: NodeJS.Timeout | undefined;
  const heartbeat = new Promise<null>((resolve) => {
    timer = setTimeout(() => resolve(null), HEARTBEAT_MS).unref();
  });
  try {
    return await Promise.race([next, heartbeat]);
  } finally {
    clearTimeout(timer);
  }
}

/** JSON has no line breaks, so that one line holds it. */
function written({ event, id, data }: ServerSentEvent): string {
  return `event: ${event}\n${id === undefined ? '' : `id: ${id}\n`}data: ${JSON.stringify(data)}\n\n`;
}
