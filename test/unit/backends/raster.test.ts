import { describe, expect, it } from 'vitest';
import { toRaster } from '../../../src/backends/onnxruntime/vae-decoder.js';

describe('toRaster', () => {
  it('turns planes of -1 to 1 into interleaved bytes, clamped', () => {
    const image = Float32Array.from([-1, 1, -2, 2, 0.5, -0.5]);
    expect(toRaster(image, 2, 1)).toEqual({ rgb: Uint8Array.from([0, 0, 191, 255, 255, 64]), width: 2, height: 1 });
  });

  it('rounds halves to even, as numpy does', () => {
    // Values whose float32 product with 255 is exactly 64.5, 100.5 and 127.5.
    const halves = Float32Array.from([64, 100, 127], (byte) => 2 * (Math.fround((byte + 0.5) / 255) - 0.5));
    expect([...toRaster(halves, 1, 1).rgb]).toEqual([64, 100, 128]);
  });

  it('refuses an image of no numbers', () => {
    expect(() => toRaster(Float32Array.from([0, Number.NaN, 0]), 1, 1)).toThrow(
      expect.objectContaining({ code: 'BACKEND_FAILED', message: expect.stringMatching(/NaN/) }),
    );
  });
});
