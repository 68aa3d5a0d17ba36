import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32, deflateSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { T2IError } from '../../../src/errors.js';
import { RECEIPT_KEYWORD, XMP_KEYWORD } from '../../../src/image/containers.js';
import { readImageHeader } from '../../../src/image/decode.js';
import { encodeImage } from '../../../src/image/encode.js';
import { IMAGE_FORMATS, type ImageFormat } from '../../../src/image/formats.js';
import { insertPngChunks, internationalTextChunk, type PngChunk, textChunk } from '../../../src/image/png.js';
import { readReceipt } from '../../../src/image/read-receipt.js';
import { serializeReceipt } from '../../../src/image/receipt.js';
import { writeXmp } from '../../../src/image/xmp.js';
import { gradient, receiptOf } from '../../support/receipts.js';
import { noPosix, skipFor } from '../../support/skip-for.js';

/** The most that each text was allowed to unpack to. */
const unpacked = vi.hoisted(() => ({ most: [] as unknown[] }));
vi.mock('node:zlib', async (original) => {
  const real = await original<typeof import('node:zlib')>();
  const inflateSync = (...[bytes, options]: Parameters<typeof real.inflateSync>) => {
    unpacked.most.push(options?.maxOutputLength);
    return real.inflateSync(bytes, options);
  };
  return { ...real, inflateSync };
});

const receipt = receiptOf();
const json = serializeReceipt(receipt);
const files = {} as Record<ImageFormat, Buffer>;
let bare: Buffer;
beforeAll(async () => {
  for (const format of IMAGE_FORMATS) files[format] = Buffer.from(await encodeImage(gradient(), receipt, { format }));
  bare = Buffer.from(await encodeImage(gradient(), null));
});

/** Reads, and says which error came; anything but one of ours is a failure. */
async function codeOf(bytes: Uint8Array): Promise<string> {
  try {
    await readReceipt(bytes);
    return 'OK';
  } catch (error) {
    if (!T2IError.is(error)) throw error;
    return error.code;
  }
}

const keyed = (keyword: string, ...rest: Uint8Array[]) => Buffer.concat([Buffer.from(`${keyword}\0`), ...rest]);
const withChunk = (...chunks: PngChunk[]) => insertPngChunks(bare, chunks);

describe('a damaged image', () => {
  it.each(IMAGE_FORMATS)(
    'in %s is refused wherever it is cut off in front of its pixels, and never crashes',
    async (format) => {
      const file = files[format];
      const pixels = { png: file.indexOf('IDAT'), jpeg: file.indexOf('\xff\xda', 'latin1'), webp: file.length }[format];
      for (let length = 0; length < file.length; length++) {
        const code = await codeOf(file.subarray(0, length));
        if (length <= pixels) expect([length, code]).toEqual([length, 'IMAGE_INVALID']);
      }
    },
  );

  it.each(IMAGE_FORMATS)('in %s never crashes or hangs, whichever byte is changed', async (format) => {
    const codes = new Set<string>();
    for (let index = 0; index < files[format].length; index++) {
      for (const change of [0x01, 0x80, 0xff]) {
        const file = Buffer.from(files[format]);
        file[index] = (file[index] as number) ^ change;
        codes.add(await codeOf(file));
      }
    }
    // A PNG has checksums; in the others a change of a pixel or of a text goes unseen here.
    const possible = ['IMAGE_INVALID', 'RECEIPT_MISSING', 'RECEIPT_INVALID', 'OK'];
    expect([...codes].sort()).toEqual(format === 'png' ? ['IMAGE_INVALID'] : possible.sort());
  });

  it.each([
    ['nothing', Buffer.alloc(0)],
    ['text', Buffer.from('no image')],
    ['a GIF', Buffer.from('GIF89a....')],
    ['a JPEG of two bytes', Buffer.from([0xff, 0xd8])],
    ['a JPEG of fill bytes', Buffer.concat([Buffer.from([0xff, 0xd8]), Buffer.alloc(100, 0xff)])],
    ['a JPEG with a segment of length 0', Buffer.from([0xff, 0xd8, 0xff, 0xe1, 0, 0, 0, 0])],
    ['a WebP that lies about its length', Buffer.from('RIFF\xff\xff\xff\xffWEBPXMP ', 'latin1')],
    ['a WebP chunk that lies about its length', Buffer.from('RIFF\x0c\0\0\0WEBPXMP \xff\xff\xff\xff', 'latin1')],
  ])('is refused: %s', async (_, bytes) => {
    expect(await codeOf(bytes)).toBe('IMAGE_INVALID');
  });
});

describe('a container of empty parts without end', () => {
  it('is refused as a WebP', async () => {
    const file = Buffer.concat([Buffer.from('RIFF\0\0\0\0WEBP'), Buffer.alloc(8 * 70_000, 'JUNK\0\0\0\0')]);
    file.writeUInt32LE(file.length - 8, 4);
    await expect(readReceipt(file)).rejects.toThrow(/more than 65536 chunks/);
  });

  it('is refused as a JPEG', async () => {
    const file = Buffer.concat([Buffer.from([0xff, 0xd8]), Buffer.alloc(4 * 70_000, Buffer.from([0xff, 0xfe, 0, 2]))]);
    await expect(readReceipt(file)).rejects.toThrow(/more than 65536 segments/);
  });
});

describe('a PNG made to hurt', () => {
  it('is refused with a wrong CRC, by the name of the chunk', async () => {
    const file = Buffer.from(files.png);
    const at = file.indexOf(RECEIPT_KEYWORD);
    file[at + 40] = (file[at + 40] as number) ^ 1;
    await expect(readReceipt(file)).rejects.toThrow(/wrong CRC in tEXt/);
  });

  it('is refused with a length that runs past the file', async () => {
    const file = Buffer.from(files.png);
    file.writeUInt32BE(0x7fffffff, file.indexOf('tEXt') - 4);
    await expect(readReceipt(file)).rejects.toThrow(/chunk tEXt of 2147483647 bytes that runs past its end/);
  });

  it('is refused without IHDR in front', async () => {
    const signature = bare.subarray(0, 8);
    const end = bare.subarray(bare.length - 12);
    await expect(readReceipt(Buffer.concat([signature, end]))).rejects.toThrow(/does not begin with an IHDR/);
  });

  /** The PNG with another chunk in place of its IHDR. */
  const headed = (data: Uint8Array, type = 'IHDR') => {
    const [start, own] = [bare.subarray(0, 8 + 25), bare.subarray(8 + 25)];
    return Buffer.concat([start.subarray(0, 8), insertPngChunks(start, [{ type, data }]).subarray(8 + 25), own]);
  };

  it('is refused with an IHDR of another length', async () => {
    await expect(readReceipt(headed(Buffer.alloc(14)))).rejects.toThrow(/does not begin with an IHDR/);
    await expect(readReceipt(headed(Buffer.alloc(13), 'IDAT'))).rejects.toThrow(/does not begin with an IHDR/);
  });

  it('is refused with a chunk whose name is not of letters', async () => {
    const data = Buffer.alloc(0);
    await expect(readReceipt(withChunk({ type: 'a1cd', data }))).rejects.toThrow(/no chunk at byte 33/);
  });

  it('is refused where it claims more than 4096x4096 pixels, in any shape', async () => {
    const sized = (width: number, height: number) => {
      const data = Buffer.from([0, 0, 0, 0, 0, 0, 0, 0, 8, 2, 0, 0, 0]);
      data.writeUInt32BE(width, 0);
      data.writeUInt32BE(height, 4);
      return readImageHeader(headed(data));
    };
    for (const [width, height] of [
      [4096, 4096],
      [8192, 2048],
    ] as const) {
      expect(await sized(width, height)).toMatchObject({ format: 'png', width, height, lossless: true });
      await expect(sized(width + 1, height)).rejects.toMatchObject({ code: 'IMAGE_INVALID' });
    }
  });

  it('is refused with chunks without end', async () => {
    const empty = Buffer.alloc(12);
    empty.write('teSt', 4, 'latin1');
    empty.writeUInt32BE(crc32('teSt'), 8);
    const file = Buffer.concat([bare.subarray(0, 33), Buffer.alloc(12 * 70_000, empty), bare.subarray(33)]);
    await expect(readReceipt(file)).rejects.toThrow(/more than 65536 chunks/);
  });

  it.each(['zTXt', 'iTXt'])(
    'is refused with a text in %s that unpacks to gigabytes, in bounded memory',
    async (type) => {
      const bomb = deflateSync(Buffer.alloc(200 << 20));
      unpacked.most.length = 0;
      const head = type === 'zTXt' ? Buffer.from([0]) : Buffer.from([1, 0, 0, 0]);
      expect(await codeOf(withChunk({ type, data: keyed(RECEIPT_KEYWORD, head, bomb) }))).toBe('IMAGE_INVALID');
      expect(await codeOf(withChunk({ type, data: keyed(XMP_KEYWORD, head, bomb) }))).toBe('IMAGE_INVALID');
      expect(unpacked.most).toEqual([1 << 20, 1 << 20]);
    },
  );

  it('is refused with a plain text of megabytes, and with compressed rubbish', async () => {
    for (const chunk of [textChunk, internationalTextChunk]) {
      expect(await codeOf(withChunk(chunk(RECEIPT_KEYWORD, 'a'.repeat(2 << 20))))).toBe('IMAGE_INVALID');
    }
    expect(await codeOf(withChunk({ type: 'zTXt', data: keyed(RECEIPT_KEYWORD, Buffer.from('\0rubbish')) }))).toBe(
      'IMAGE_INVALID',
    );
    expect(await codeOf(withChunk({ type: 'iTXt', data: keyed(RECEIPT_KEYWORD, Buffer.from([0])) }))).toBe(
      'IMAGE_INVALID',
    );
  });

  it('is refused with two receipts, also with two in its XMP', async () => {
    const chunk = textChunk(RECEIPT_KEYWORD, json);
    await expect(readReceipt(withChunk(chunk, chunk))).rejects.toThrow(/carries 2 receipts/);
    const xmp = writeXmp(`${json}</t2i:receipt><t2i:receipt>${json}`);
    expect(await codeOf(withChunk(internationalTextChunk(XMP_KEYWORD, xmp)))).toBe('RECEIPT_INVALID');
  });

  it('is refused with two receipts that contradict each other, one of them in its XMP', async () => {
    const other = serializeReceipt(receiptOf({ seed: 8 }));
    const file = withChunk(textChunk(RECEIPT_KEYWORD, json), internationalTextChunk(XMP_KEYWORD, writeXmp(other)));
    await expect(readReceipt(file)).rejects.toThrow(/carries 2 receipts/);
  });

  it('is refused with many places for a receipt, before each is unpacked', async () => {
    const bomb = { type: 'zTXt', data: keyed(XMP_KEYWORD, Buffer.from([0]), deflateSync(Buffer.alloc(1 << 20))) };
    await expect(readReceipt(withChunk(...Array(60_000).fill(bomb)))).rejects.toThrow(/more than 16 chunks/);
    const [own, empty] = [textChunk(RECEIPT_KEYWORD, json), internationalTextChunk(XMP_KEYWORD, '<x/>')];
    expect(await readReceipt(withChunk(...Array(15).fill(empty), own))).toEqual(receipt);
    await expect(readReceipt(withChunk(...Array(16).fill(empty), own))).rejects.toThrow(/more than 16 chunks/);
  });

  it('has no receipt where its texts are of others', async () => {
    const like = textChunk(`${RECEIPT_KEYWORD}s`, json);
    expect(
      await codeOf(withChunk(like, textChunk('parameters', json), internationalTextChunk(XMP_KEYWORD, '<x/>'))),
    ).toBe('RECEIPT_MISSING');
  });

  it('is read where another program packed its receipt, or moved it into XMP', async () => {
    const packed = { type: 'zTXt', data: keyed(RECEIPT_KEYWORD, Buffer.from([0]), deflateSync(Buffer.from(json))) };
    expect(await readReceipt(withChunk(packed))).toEqual(receipt);
    const international = {
      type: 'iTXt',
      data: keyed(RECEIPT_KEYWORD, Buffer.from('\x01\0en\0Quittung\0', 'latin1'), deflateSync(json)),
    };
    expect(await readReceipt(withChunk(international))).toEqual(receipt);
    const xmp = writeXmp(json.replaceAll('"', '&quot;'));
    expect(await readReceipt(withChunk(internationalTextChunk(XMP_KEYWORD, xmp)))).toEqual(receipt);
  });
});

describe('a path', () => {
  let dir: string;
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 't2i-hostile-'));
  });
  afterAll(() => rm(dir, { recursive: true }));

  it('that does not exist or is a folder is an error with its name', async () => {
    await expect(readReceipt(join(dir, 'none.png'))).rejects.toMatchObject({
      code: 'IO_FAILED',
      message: expect.stringContaining('none.png'),
    });
    await expect(readReceipt(dir)).rejects.toMatchObject({ code: 'IMAGE_INVALID' });
  });

  it('to a pipe or a device does not wait for it', skipFor(noPosix), async () => {
    execFileSync('mkfifo', [join(dir, 'pipe')]);
    await expect(readReceipt(join(dir, 'pipe'))).rejects.toMatchObject({ code: 'IMAGE_INVALID' });
    await expect(readReceipt('/dev/zero')).rejects.toMatchObject({ code: 'IMAGE_INVALID' });
  });

  it('to a file of gigabytes is refused before it is read', async () => {
    await writeFile(join(dir, 'huge.png'), bare);
    await truncate(join(dir, 'huge.png'), 2 ** 33);
    await expect(readReceipt(join(dir, 'huge.png'))).rejects.toThrow(/more than 134217728 bytes/);
  });
});
