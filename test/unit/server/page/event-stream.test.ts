import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readEvents, type ServerEvent } from '../../../../src/server/page/browser/event-stream.js';

/** The events of a text that arrives in chunks of these lengths, over and over. */
async function eventsOf(text: string, lengths: readonly number[] = [text.length]): Promise<ServerEvent[]> {
  const bytes = new TextEncoder().encode(text);
  let [at, turn] = [0, 0];
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      if (at >= bytes.length) return controller.close();
      const length = lengths[turn++ % lengths.length] || 1;
      controller.enqueue(bytes.slice(at, at + length));
      at += length;
    },
  });
  const events: ServerEvent[] = [];
  for await (const event of readEvents(body)) events.push(event);
  return events;
}

describe('the reader of server-sent events', () => {
  it('reads names, data of several lines, and passes over comments and fields it does not know', async () => {
    const text = 'event: step\ndata: {"step":1}\n\n: still here\n\nid: 7\ndata: a\ndata:b\n\nevent: nothing\n\n';
    expect(await eventsOf(text)).toEqual([
      { type: 'step', data: '{"step":1}' },
      { type: 'message', data: 'a\nb' },
    ]);
  });

  it('leaves out an event that was cut off', async () => {
    expect(await eventsOf('data: whole\n\ndata: ha')).toEqual([{ type: 'message', data: 'whole' }]);
    expect(await eventsOf('data: whole\n\ndata: half\n')).toEqual([{ type: 'message', data: 'whole' }]);
  });

  it('reads the same events however they are cut into chunks, with every kind of line end', async () => {
    const line = fc.string({ unit: 'grapheme' }).map((text) => text.replace(/[\r\n]/g, ''));
    const event = fc.record({ type: fc.constantFrom('step', 'image', 'message'), data: line });
    const end = fc.constantFrom('\n', '\r\n', '\r');
    const lengths = fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1, maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(fc.array(event, { maxLength: 5 }), end, lengths, async (events, lineEnd, chunks) => {
        const text = events.map(({ type, data }) => [`event: ${type}`, `data: ${data}`, '', ''].join(lineEnd)).join('');
        expect(await eventsOf(text, chunks)).toEqual(events);
      }),
    );
  });

  it('lets go of the connection when its reader stops early', async () => {
    let cancelled = false;
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(new TextEncoder().encode('data: 1\n\ndata: 2\n\n')),
      cancel() {
        cancelled = true;
      },
    });
    for await (const { data } of readEvents(body)) {
      expect(data).toBe('1');
      break;
    }
    expect(cancelled).toBe(true);
  });
});
