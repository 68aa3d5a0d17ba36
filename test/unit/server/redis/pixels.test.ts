import { describe, expect, it } from 'vitest';
import { hashArrays, serializeReceipt } from '../../../../src/image/receipt.js';
import { ForeignContent } from '../../../../src/server/redis/order.js';
import { readImage, readRaster, writeRaster } from '../../../../src/server/redis/pixels.js';
import { queueName } from '../../../../src/server/redis/queue-name.js';
import { memoryModel } from '../../../support/memory-server.js';
import { gradient, receiptOf } from '../../../support/receipts.js';

const raster = (width: number, height: number, bytes = width * height * 3) =>
  writeRaster({ width, height, rgb: new Uint8Array(bytes).fill(7) });

describe('a preview in Redis', () => {
  it('is read as it was written', () => expect(readRaster(writeRaster(gradient()))).toEqual(gradient()));

  it.each([
    [1, 1],
    [65_535, 1],
    [1, 65_535],
  ])('may have %d × %d pixels', (width, height) => {
    expect(readRaster(raster(width, height))).toMatchObject({ width, height });
  });

  it.each<[what: string, bytes: Buffer]>([
    ['nothing', Buffer.alloc(0)],
    ['half a size', raster(1, 1).subarray(0, 7)],
    ['a size alone', raster(1, 1, 0)],
    ['no width', raster(0, 5)],
    ['no height', raster(5, 0)],
    ['too great a width', raster(65_536, 1)],
    ['too great a height', raster(1, 65_536)],
    ['a byte too few', raster(3, 2, 17)],
    ['a byte too many', raster(3, 2, 19)],
  ])('of %s is foreign', (_, bytes) => expect(() => readRaster(bytes)).toThrow(ForeignContent));
});

describe('an image in Redis', () => {
  const { rgb } = gradient();
  const receipt = receiptOf({ rgbSha256: hashArrays(rgb) });

  it('is read with its receipt', () => {
    const image = readImage(Buffer.from(rgb), serializeReceipt(receipt), receipt.seed);
    expect([image.rgb, image.receipt]).toEqual([rgb, receipt]);
  });

  it.each<[what: string, rgb: Uint8Array, receipt: string, seed?: number]>([
    ['of another seed', rgb, serializeReceipt(receipt), 8],
    ['of other pixels', rgb.map((value) => 255 - value), serializeReceipt(receipt)],
    ['of another size', rgb.slice(3), serializeReceipt({ ...receipt, rgbSha256: hashArrays(rgb.slice(3)) })],
    ['without a receipt', rgb, ''],
    ['of a receipt that is none', rgb, '{}'],
  ])('%s is foreign', (_, pixels, json, seed = receipt.seed) => {
    expect(() => readImage(Buffer.from(pixels), json, seed)).toThrow(ForeignContent);
  });
});

it('what is wrong with the receipt of an image in Redis is told as its cause', () => {
  const cause = expect.objectContaining({ code: 'RECEIPT_INVALID' });
  expect(() => readImage(Buffer.alloc(0), '{}', 7)).toThrow(expect.objectContaining({ cause }));
});

describe('the queue of a model in Redis', () => {
  const named = (id: string, hash: string) => {
    const { model } = memoryModel(id);
    return queueName({ id, model: { ...model, hashes: { 'unet/model.onnx': hash.repeat(64) } } });
  };

  it('is named after its id and its files', () => {
    expect(named('a', '1')).toMatch(/^a-[0-9a-f]{16}$/);
    expect(named('a', '1')).toBe(named('a', '1'));
    expect(new Set([named('a', '1'), named('a', '2'), named('b', '1')]).size).toBe(3);
  });
});
