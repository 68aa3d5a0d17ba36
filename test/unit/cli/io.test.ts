import { describe, expect, it } from 'vitest';
import { readStdin } from '../../../src/cli/io.js';
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
