/** One event of a server-sent stream. */
export interface ServerEvent {
  /** `message` where the server names none. */
  readonly type: string;
  readonly data: string;
}

/**
 * The events of a stream in the form of the HTML standard, section 9.2.6. An EventSource would do the same, but sends no key and
 * cannot be aborted by a signal.
 */
export async function* readEvents(body: ReadableStream<Uint8Array>): AsyncGenerator<ServerEvent> {
  let event = { type: 'message', data: [] as string[] };
  for await (const line of readLines(body)) {
    if (line === '') {
      if (event.data.length > 0) yield { type: event.type, data: event.data.join('\n') };
      event = { type: 'message', data: [] };
      continue;
    }
    const [, name, value = ''] = /^([^:]*)(?:: ?(.*))?$/s.exec(line) ?? [];
    if (name === 'event') event.type = value;
    if (name === 'data') event.data.push(value);
  }
}

/** Lines without their ends: CR, LF or both, which may arrive in different chunks. What follows the last end is no line. */
async function* readLines(body: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = '';
  try {
    for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read()) {
      const text = decoder.decode(chunk.value, { stream: true });
      const wasHalf = rest.endsWith('\r');
      rest += text;
      // An image is one line of megabytes in many chunks, which is not searched from its start with each of them.
      if (!wasHalf && !/[\r\n]/.test(text)) continue;
      // A CR at the end may be half of a line's end.
      const lines = rest.split(/\r\n|\n|\r(?!$)/);
      rest = lines.pop() ?? '';
      yield* lines;
    }
    if (rest.endsWith('\r')) yield rest.slice(0, -1);
  } finally {
    await reader.cancel();
  }
}
