import { crc32 } from 'node:zlib';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { decodeImage, readImageHeader } from '../../../src/image/decode.js';
import { encodeImage } from '../../../src/image/encode.js';
import { gradient, receiptOf } from '../../support/receipts.js';

/** A PNG of raw pixels with alpha. */
const transparent = (width: number, ...rgba: number[]) =>
  sharp(Uint8Array.from(rgba), { raw: { width, height: 1, channels: 4 } })
    .png()
    .toBuffer();

describe('the header of an image', () => {
  it('says which formats keep every pixel', async () => {
    const png = Buffer.from(await encodeImage(gradient(), receiptOf()));
    const webp = await sharp(png).keepMetadata().webp({ lossless: true }).toBuffer();
    const size = { width: 24, height: 16, shownOtherwise: [] };
    expect(await readImageHeader(png)).toMatchObject({ ...size, format: 'png', lossless: true });
    expect(await readImageHeader(webp)).toMatchObject({ ...size, format: 'webp', lossless: true });
    for (const format of ['webp', 'jpeg'] as const) {
      const lossy = await encodeImage(gradient(), receiptOf(), { format });
      expect(await readImageHeader(lossy)).toMatchObject({ ...size, format, lossless: false });
    }
  });

  it('tells that a WebP is an animation', async () => {
    const frames = await Promise.all(
      ['red', 'blue'].map((background) =>
        sharp({ create: { width: 8, height: 8, channels: 3, background } })
          .png()
          .toBuffer(),
      ),
    );
    const { shownOtherwise } = await readImageHeader(
      await sharp(frames, { join: { animated: true } })
        .webp()
        .toBuffer(),
    );
    expect(shownOtherwise).toEqual(['it is an animation of several images']);
  });
});

describe('the pixels of an image', () => {
  it('are those below its alpha, which is opaque everywhere or not', async () => {
    const [first, second] = [
      [1, 2, 3],
      [40, 50, 60],
    ] as const;
    const whole = await decodeImage(await transparent(2, ...first, 255, ...second, 255));
    expect(whole).toMatchObject({ width: 2, height: 1, opaque: true });
    expect([...whole.rgb]).toEqual([...first, ...second]);
    for (const alpha of [
      [254, 255],
      [255, 0],
    ] as const) {
      const veiled = await decodeImage(await transparent(2, ...first, alpha[0], ...second, alpha[1]));
      expect(veiled.opaque).toBe(false);
    }
  });

  it('are refused with the reason of the decoder', async () => {
    const png = await encodeImage(gradient(), null);
    await expect(decodeImage(png.subarray(0, 60))).rejects.toMatchObject({
      code: 'IMAGE_INVALID',
      message: expect.stringMatching(/^The image cannot be decoded: ./),
      cause: expect.any(Error),
    });
  });

  it('are refused beyond 4096x4096, however few the file holds', async () => {
    const png = Buffer.from(await encodeImage(gradient(), null));
    png.writeUInt32BE(4097, 16);
    png.writeUInt32BE(4096, 20);
    png.writeUInt32BE(crc32(png.subarray(12, 29)), 29);
    await expect(readImageHeader(png)).rejects.toMatchObject({ code: 'IMAGE_INVALID' });
    await expect(decodeImage(png)).rejects.toThrow(/pixel limit/);
  });
});
