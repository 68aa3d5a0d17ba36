import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { Channel } from '../../../src/server/http/channel.js';
import { eventStream, type ServerSentEvent } from '../../../src/server/http/sse.js';

describe('events on their way', () => {
  it('all arrive, then the error that ended them', async () => {
    const channel = new Channel<number>();
    for (const event of [1, 2]) channel.push(event);
    const error = new Error('broken off');
    channel.fail(error);
    const heard: number[] = [];
    const listening = (async () => {
      for await (const event of channel) heard.push(event);
    })();
    await expect(listening).rejects.toBe(error);
    expect(heard).toEqual([1, 2]);
  });
});

describe('a stream of events', () => {
  afterEach(() => vi.useRealTimers());

  /** Events as they are given to a reader, one at a time. */
  function source() {
    const asked: { give(result: IteratorResult<ServerSentEvent>): void }[] = [];
    const ended = vi.fn(async () => ({ done: true as const, value: undefined }));
    const events: AsyncIterable<ServerSentEvent> = {
      [Symbol.asyncIterator]: () => ({
        next: () => new Promise((give) => void asked.push({ give })),
        return: ended,
      }),
    };
    return { events, asked, ended };
  }
  const textOf = async (reader: ReadableStreamDefaultReader<Uint8Array>) =>
    Buffer.from((await reader.read()).value ?? []).toString();

  it('has an id where the event has one, and ends', async () => {
    async function* events(): AsyncGenerator<ServerSentEvent> {
      yield { event: 'step', data: { text: 'a\nb' } };
      yield { event: 'done', id: '7', data: null };
    }
    const response = eventStream(events(), () => {});
    expect(Object.fromEntries(response.headers)).toEqual({
      ...{ 'cache-control': 'no-store', 'content-type': 'text/event-stream; charset=utf-8', 'x-accel-buffering': 'no' },
    });
    expect(await response.text()).toBe('event: step\ndata: {"text":"a\\nb"}\n\nevent: done\nid: 7\ndata: null\n\n');
  });

  it('says that it goes on while nothing happens, and loses no event by that', async () => {
    vi.useFakeTimers();
    const { events, asked } = source();
    const reader = (eventStream(events, () => {}).body as ReadableStream<Uint8Array>).getReader();
    const first = textOf(reader);
    await vi.advanceTimersByTimeAsync(15_000);
    expect(await first).toBe(': still here\n\n');
    expect(asked).toHaveLength(1);
    asked[0]?.give({ value: { event: 'step', data: 1 } });
    expect(await textOf(reader)).toBe('event: step\ndata: 1\n\n');
    const last = reader.read();
    await vi.advanceTimersByTimeAsync(0);
    asked[1]?.give({ done: true, value: undefined });
    expect((await last).done).toBe(true);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('may be of a source that has nothing to end', async () => {
    const events = { [Symbol.asyncIterator]: () => ({ next: () => new Promise<never>(() => {}) }) };
    const body = eventStream(events, () => {}).body as ReadableStream<Uint8Array>;
    await expect(body.cancel()).resolves.toBeUndefined();
  });

  it('is left by a client that goes away, and its source with it', async () => {
    const { events, ended } = source();
    const leave = vi.fn();
    const body = eventStream(events, leave).body as ReadableStream<Uint8Array>;
    await turn();
    await body.cancel();
    expect([leave.mock.calls.length, ended.mock.calls.length]).toEqual([1, 1]);
  });
});
