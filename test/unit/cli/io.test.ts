import { describe, expect, it } from 'vitest';
import { Interrupted, readStdin, sleep } from '../../../src/cli/io.js';
import { cutText, fakeIo } from '../../support/fake-io.js';

describe('standard input', () => {
  it('is text wherever a chunk ends, within a character too', async () => {
    const text = 'ein Äpfel 🍎, 漢字';
    const cuts = cutText(text);
    expect(cuts).toHaveLength(8);
    for (const stdin of cuts) expect(await readStdin(fakeIo({ stdin }))).toBe(text);
  });

  it.each([
    ['a cat\n', 'a cat'],
    ['a cat\r\n', 'a cat'],
    ['a\ncat\n\n', 'a\ncat\n'],
    ['\ufeffa cat', 'a cat'],
    ['', ''],
  ])('%j is %j', async (written, text) => {
    expect(await readStdin(fakeIo({ stdin: [Buffer.from(written)] }))).toBe(text);
    if (!written.startsWith('\ufeff')) expect(await readStdin(fakeIo({ stdin: written }))).toBe(text);
  });
});

describe('a wait', () => {
  it("ends when it is over, by the clock that is given or else the system's", async () => {
    const waits: number[] = [];
    await sleep(fakeIo({ sleep: async (milliseconds) => void waits.push(milliseconds) }), 3_600_000);
    expect(waits).toEqual([3_600_000]);
    const start = performance.now();
    await sleep(fakeIo(), 20);
    expect(performance.now() - start).toBeGreaterThan(15);
  });

  it.each([
    ['before', 0],
    ['meanwhile', 1],
  ])('ends at once where the program is to end %s', async (_, turns) => {
    const end = new AbortController();
    const reason = new Interrupted('SIGINT');
    if (turns === 0) end.abort(reason);
    else setImmediate(() => end.abort(reason));
    await expect(sleep(fakeIo({ signal: end.signal }), 3_600_000)).rejects.toBe(reason);
  });

  it('by another clock ends the program only where that is over', async () => {
    const signal = AbortSignal.abort(new Interrupted('SIGINT'));
    const waits: number[] = [];
    const io = fakeIo({ signal, sleep: async (milliseconds) => void waits.push(milliseconds) });
    await expect(sleep(io, 7)).rejects.toBe(signal.reason);
    expect(waits).toEqual([7]);
  });
});
