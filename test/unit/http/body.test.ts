import { getEventListeners } from 'node:events';
import { describe, expect, it } from 'vitest';
import { readChunks, readJson, readText } from '../../../src/http/body.js';

/** An answer whose body comes in these chunks; without an end it stays open. */
function answerOf(chunks: readonly string[], { open = false } = {}) {
  const left = [...chunks];
  const seen = { cancelled: false };
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      const chunk = left.shift();
      if (chunk !== undefined) controller.enqueue(Buffer.from(chunk));
      else if (open) return new Promise(() => {});
      else controller.close();
      return undefined;
    },
    cancel() {
      seen.cancelled = true;
    },
  });
  return { response: new Response(body), seen };
}

describe('a body', () => {
  it('is read to its end, and may be as long as is allowed', async () => {
    const { response, seen } = answerOf(['ab', '', 'cde']);
    expect(await readText(response, { limit: 5 })).toBe('abcde');
    expect(seen.cancelled).toBe(false);
    expect(await readText(new Response(null))).toBe('');
  });

  it('that is longer is refused, and not read on', async () => {
    const { response, seen } = answerOf(['ab', 'cde'], { open: true });
    await expect(readText(response, { limit: 4 })).rejects.toMatchObject({ code: 'REMOTE_REFUSED', again: 'never' });
    expect(seen.cancelled).toBe(true);
  });

  it('that nobody reads on is let go', async () => {
    const { response, seen } = answerOf(['ab', 'cde'], { open: true });
    for await (const _ of readChunks(response)) break;
    expect(seen.cancelled).toBe(true);
  });

  it('that stands still is given up', async () => {
    const { response, seen } = answerOf(['ab'], { open: true });
    await expect(readText(response, { idle: 20 })).rejects.toMatchObject({
      code: 'NETWORK_FAILED',
      message: expect.stringContaining('no byte for 0.02 s'),
    });
    expect(seen.cancelled).toBe(true);
  });

  it('ends with the reason of an abort, before it comes and while it does', async () => {
    const { signal } = { signal: AbortSignal.abort('before') };
    await expect(readText(answerOf(['ab']).response, { signal })).rejects.toBe('before');
    const control = new AbortController();
    const reading = readText(answerOf(['ab'], { open: true }).response, { signal: control.signal });
    setImmediate(() => control.abort('meanwhile'));
    await expect(reading).rejects.toBe('meanwhile');
  });

  it('leaves nothing behind at its signal', async () => {
    const { signal } = new AbortController();
    await readText(answerOf(['ab', 'cde']).response, { signal });
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  });

  it('is told apart from JSON', async () => {
    expect(await readJson(new Response('{"a": [1]}'))).toEqual({ a: [1] });
    await expect(readJson(new Response(' <html>'))).rejects.toThrow(/received an HTML page$/);
    await expect(readJson(new Response('a < b'))).rejects.toThrow(/received something else$/);
  });
});
