import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { comparePixels } from '../../../src/image/compare.js';
import { decodeImage, readImageHeader } from '../../../src/image/decode.js';
import { encodeImage } from '../../../src/image/encode.js';
import { formatOfPath, IMAGE_FORMATS } from '../../../src/image/formats.js';
import { GeneratedImage } from '../../../src/image/generated-image.js';
import { writeParameters } from '../../../src/image/parameters.js';
import { readPngChunks, textOfChunk } from '../../../src/image/png.js';
import { readReceipt } from '../../../src/image/read-receipt.js';
import { DIGITAL_SOURCE_TYPE } from '../../../src/image/xmp.js';
import { gradient, receiptOf } from '../../support/receipts.js';

const raster = gradient();
const text = (bytes: Uint8Array) => Buffer.from(bytes).toString('latin1');

describe('encoding', () => {
  it('keeps every pixel in a PNG, with and without metadata', async () => {
    for (const receipt of [null, receiptOf()]) {
      const back = await decodeImage(await encodeImage(raster, receipt));
      expect(comparePixels(back, raster)).toEqual({ maxAbs: 0, meanAbs: 0, blockMeanAbs: 0, psnr: Infinity });
    }
  });

  it.each(['jpeg', 'webp'] as const)('keeps a smooth image in %s, less well at a low quality', async (format) => {
    const psnr = async (quality?: number) =>
      comparePixels(await decodeImage(await encodeImage(raster, null, { format, quality })), raster)?.psnr;
    expect(await psnr()).toBeGreaterThan(30);
    expect(await psnr(1)).toBeLessThan((await psnr()) as number);
  });

  it.each(['jpeg', 'webp'] as const)(
    'has quality 90 in %s where none is named, and keeps every colour',
    async (format) => {
      const bytes = async (quality?: number) => text(await encodeImage(raster, null, { format, quality }));
      expect(await bytes()).toBe(await bytes(90));
      expect(await bytes()).not.toBe(await bytes(89));
      // WebP has one way to share colours; a JPEG tells its own in the header.
      const { chromaSubsampling } = await readImageHeader(await encodeImage(raster, null, { format }));
      expect(chromaSubsampling).toBe({ jpeg: '4:4:4', webp: '4:2:0' }[format]);
    },
  );

  it.each(IMAGE_FORMATS)('gives the same bytes for the same image in %s', async (format) => {
    const encode = () => encodeImage(raster, receiptOf(), { format });
    expect(text(await encode())).toBe(text(await encode()));
  });

  it.each(IMAGE_FORMATS)('marks an image as made by a model in %s, where programs look for it', async (format) => {
    const bytes = await encodeImage(raster, receiptOf(), { format });
    const xmp = (await sharp(bytes).metadata()).xmp?.toString();
    expect(xmp).toContain(`<Iptc4xmpExt:DigitalSourceType>${DIGITAL_SOURCE_TYPE}</Iptc4xmpExt:DigitalSourceType>`);
  });

  it('writes the PNG texts that other programs read, uncompressed', async () => {
    const ascii = [...readPngChunks(await encodeImage(raster, receiptOf()))];
    expect(ascii.map(({ type }) => type).slice(0, 4)).toEqual(['IHDR', 'tEXt', 'tEXt', 'iTXt']);
    expect(textOfChunk(ascii[1] as never, 'parameters')).toMatch(/^a red apple\nNegative prompt: blurry\nSteps: 30,/);
    const unicode = [...readPngChunks(await encodeImage(raster, receiptOf({ prompt: '☕' })))];
    expect(unicode[1]?.type).toBe('iTXt');
    expect(textOfChunk(unicode[1] as never, 'parameters')).toMatch(/^☕\n/);
  });

  it.each(['jpeg', 'webp'] as const)(
    'writes the parameters into the user comment of the EXIF of a %s',
    async (format) => {
      const receipt = receiptOf({ prompt: 'a red äpple ☕ 👩‍👩‍👧 \ud800' });
      const exif = (await sharp(await encodeImage(raster, receipt, { format })).metadata()).exif as Buffer;
      const comment = exif.subarray(exif.indexOf('UNICODE\0') + 8);
      // Programs of this family read the comment as big-endian, whatever the byte order of the block.
      const words = Buffer.from(comment).swap16().toString('utf16le');
      expect(words).toBe(writeParameters(receipt).replace('\ud800', '\ufffd'));
    },
  );
  it('is given in base64 too, with its media type', async () => {
    const image = new GeneratedImage(raster.rgb, receiptOf());
    const { format } = await sharp(Buffer.from(await image.toBase64(), 'base64')).metadata();
    expect(image.mediaType).toBe(`image/${format}`);
    const webp = Buffer.from(await image.toBuffer('webp', { quality: 50 }));
    expect(await image.toBase64('webp', { quality: 50 })).toBe(webp.toString('base64'));
  });

  it.each(IMAGE_FORMATS)('writes no metadata into %s when told so', async (format) => {
    const image = new GeneratedImage(raster.rgb, receiptOf());
    const bytes = await image.toBuffer(format, { metadata: false });
    expect(text(bytes)).not.toMatch(/apple|t2i|xmp|iptc|parameters/i);
    await expect(readReceipt(bytes)).rejects.toMatchObject({ code: 'RECEIPT_MISSING' });
  });

  it('refuses options that it does not know or that make no sense', async () => {
    const encode = (options: object) => encodeImage(raster, null, options);
    await expect(encode({ format: 'gif' })).rejects.toThrow(/format: expected one of png, jpeg, webp, received "gif"/);
    await expect(encode({ format: 'jpeg', quality: 101 })).rejects.toThrow(
      /quality: expected an integer from 1 to 100/,
    );
    await expect(encode({ quality: 80 })).rejects.toThrow(/quality: expected nothing with png/);
    const image = new GeneratedImage(raster.rgb, receiptOf());
    await expect(image.toBuffer('png', { metdata: false } as object)).rejects.toMatchObject({ code: 'OPTION_INVALID' });
    await expect(image.toBuffer('png', { metadata: 'no' } as never)).rejects.toThrow(
      /metadata: expected true or false/,
    );
  });

  it('refuses a receipt that a JPEG cannot hold, and writes it into the others', async () => {
    const receipt = receiptOf({ prompt: '<'.repeat(10_000), negativePrompt: '☕'.repeat(10_000) });
    await expect(encodeImage(raster, receipt, { format: 'jpeg' })).rejects.toThrow(/A JPEG holds 60000 bytes/);
    for (const format of ['png', 'webp'] as const) {
      expect(await readReceipt(await encodeImage(raster, receipt, { format }))).toEqual(receipt);
    }
  });

  it('writes the longest receipt that a JPEG can hold', async () => {
    const empty = receiptOf({ prompt: '', negativePrompt: '☕'.repeat(9000) });
    const packet = Buffer.byteLength(
      (await sharp(await encodeImage(raster, empty, { format: 'jpeg' })).metadata()).xmp ?? '',
    );
    const fits = receiptOf({ ...empty, prompt: 'a'.repeat(60_000 - packet) });
    expect(await readReceipt(await encodeImage(raster, fits, { format: 'jpeg' }))).toEqual(fits);
    const tooLong = receiptOf({ ...empty, prompt: `${fits.prompt}a` });
    await expect(encodeImage(raster, tooLong, { format: 'jpeg' })).rejects.toMatchObject({ code: 'OPTION_INVALID' });
  });

  it('does not decode what is not an image, and tells transparency', async () => {
    await expect(decodeImage(Buffer.from('text'))).rejects.toMatchObject({ code: 'IMAGE_INVALID' });
    const transparent = await sharp({ create: { width: 4, height: 4, channels: 4, background: '#ff000080' } })
      .png()
      .toBuffer();
    expect(await decodeImage(transparent)).toMatchObject({ opaque: false, rgb: { length: 48 } });
    const png = await encodeImage(raster, null);
    await expect(decodeImage(png.subarray(0, png.length - 40))).rejects.toMatchObject({ code: 'IMAGE_INVALID' });
  });
});

describe('a file', () => {
  let dir: string;
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 't2i-image-'));
  });
  afterAll(() => rm(dir, { recursive: true }));
  const image = new GeneratedImage(raster.rgb, receiptOf());

  it.each([
    ['a.png', 'png'],
    ['a.JPG', 'jpeg'],
    ['a.b.jpeg', 'jpeg'],
    ['a.webp', 'webp'],
  ])('%s is written as its extension says', async (name, format) => {
    await image.toFile(join(dir, name), {});
    expect((await sharp(await readFile(join(dir, name))).metadata()).format).toBe(format);
    expect(await readReceipt(join(dir, name))).toEqual(image.receipt);
  });

  it('of an unknown extension is refused with the known ones, unless the format is given', async () => {
    expect(() => formatOfPath('a.gif')).toThrow(
      /path: expected a name that ends in \.png, \.jpg, \.jpeg, \.webp, received "a\.gif"/,
    );
    await expect(image.toFile(join(dir, 'toString'))).rejects.toMatchObject({ code: 'OPTION_INVALID' });
    await image.toFile(join(dir, 'image'), { format: 'webp' });
    expect((await sharp(await readFile(join(dir, 'image'))).metadata()).format).toBe('webp');
  });

  it.each([undefined, 5, new URL('file:///a.png')])('of no path is refused: %s', async (path) => {
    const refused = { code: 'OPTION_INVALID', issues: [{ option: 'path' }] };
    await expect(image.toFile(path as never)).rejects.toMatchObject(refused);
    await expect(image.toFile(path as never, { format: 'png' })).rejects.toMatchObject(refused);
    await expect(readReceipt(path as never)).rejects.toMatchObject({ issues: [{ option: 'image' }] });
  });

  it('replaces the old one, and leaves nothing else behind', async () => {
    const folder = await mkdtemp(join(dir, 'atomic-'));
    await writeFile(join(folder, 'a.png'), 'old');
    await image.toFile(join(folder, 'a.png'));
    expect(await readdir(folder)).toEqual(['a.png']);
    expect(text(await readFile(join(folder, 'a.png')))).toBe(text(await image.toBuffer('png')));
  });

  it('that cannot be written is an error with its path, and leaves nothing behind', async () => {
    await expect(image.toFile(join(dir, 'missing', 'a.png'))).rejects.toMatchObject({
      code: 'IO_FAILED',
      message: expect.stringContaining('missing/a.png'),
    });
    const folder = await mkdtemp(join(dir, 'blocked-'));
    // A folder with something in it stands where the file should go, so that only the last step, the rename, fails.
    await image.toFile(join(folder, 'keep.png'));
    await expect(image.toFile(folder, { format: 'png' })).rejects.toMatchObject({ code: 'IO_FAILED' });
    expect(await readdir(dir)).not.toContainEqual(expect.stringMatching(/\.tmp$/));
    expect(await readdir(folder)).toEqual(['keep.png']);
  });

  it('knows its size, its seed and its pixels', () => {
    expect(image).toMatchObject({ width: 24, height: 16, seed: 7, rgb: image.rgb });
  });
});
