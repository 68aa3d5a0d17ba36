import { describe, expect, it } from 'vitest';
import { encodeFrame, FrameReader } from '../../../../src/backends/process/frames.js';

const frame = (message: unknown) => Buffer.concat(encodeFrame(message));

describe('a frame', () => {
  const message = {
    type: 'call',
    value: {
      ids: Int32Array.of(-1, 2 ** 31 - 1),
      // Of a buffer that holds more, from a place in it that is aligned to nothing else.
      noise: new Float32Array(new ArrayBuffer(20), 4, 3).fill(1.5),
      negative: null,
      text: 'größe 🎨',
      rows: [Float32Array.of(Number.NaN, -0, Number.POSITIVE_INFINITY), new Float32Array()],
      rgb: Uint8Array.of(0, 255, 7),
    },
  };

  it('gives back its message with arrays of every type, however it arrives', () => {
    const bytes = Buffer.concat([frame(message), frame({ type: 'abort' }), frame(message)]);
    for (const size of [1, 7, 100, bytes.length]) {
      const reader = new FrameReader();
      const read: unknown[] = [];
      for (let at = 0; at < bytes.length; at += size) read.push(...reader.push(bytes.subarray(at, at + size)));
      expect(read).toEqual([message, { type: 'abort' }, message]);
    }
  });

  it('holds nothing of what arrived with it', () => {
    const [read] = new FrameReader().push(frame(message)) as (typeof message)[];
    expect(read?.value.noise.buffer.byteLength).toBe(12);
  });

  it('is told from other output', () => {
    expect(() => new FrameReader().push(Buffer.from('Traceback (most recent call last):'))).toThrow(/no frame/);
  });
});
