import { describe, expect, it } from 'vitest';
import { exifWithComment } from '../../../src/image/exif.js';
import { APP0, APP1, insertJpegSegment, jpegCoarseness, readJpegSegments } from '../../../src/image/jpeg.js';
import { textChunk, textOfChunk } from '../../../src/image/png.js';
import { receiptIn } from '../../../src/image/read-receipt.js';
import { serializeReceipt } from '../../../src/image/receipt.js';
import { insertWebpExif, readWebpChunks } from '../../../src/image/webp.js';
import { receiptsInXmp, writeXmp } from '../../../src/image/xmp.js';
import { receiptOf } from '../../support/receipts.js';

const receipt = receiptOf();
const json = serializeReceipt(receipt);

describe('the chunks of a WebP', () => {
  /** Chunks as they stand in a file, padding written by hand. */
  const file = (...chunks: string[]) => {
    const body = Buffer.from(chunks.join(''), 'latin1');
    const head = Buffer.from('RIFF\0\0\0\0WEBP', 'latin1');
    head.writeUInt32LE(4 + body.length, 4);
    return Buffer.concat([head, body]);
  };
  const length = (text: string) =>
    String.fromCharCode(text.length & 255, (text.length >> 8) & 255, text.length >> 16, 0);
  const xmp = (text: string) => `XMP ${length(text)}${text}${text.length % 2 === 1 ? '\0' : ''}`;

  it('are padded where their length is odd', () => {
    const chunks = [...readWebpChunks(file('ALPH\x03\0\0\0abc\0', 'VP8 \x02\0\0\0de', 'XMP \x01\0\0\0f\0'))];
    expect(chunks.map(({ type, body }) => [type, body.toString()])).toEqual([
      ['ALPH', 'abc'],
      ['VP8 ', 'de'],
      ['XMP ', 'f'],
    ]);
  });

  it.each(['', ' '])('give the receipt behind one of odd length (%j at its end)', (end) => {
    const packet = writeXmp(json) + end;
    expect(receiptIn(file('ALPH\x03\0\0\0abc\0', xmp(packet)))).toEqual(receipt);
    expect(receiptIn(file(xmp(packet), 'ALPH\x03\0\0\0abc\0'))).toEqual(receipt);
  });

  it('give no receipt in a packet of more than a megabyte', () => {
    const packet = writeXmp(json).padEnd(2 ** 20);
    expect(receiptIn(file(xmp(packet)))).toEqual(receipt);
    expect(() => receiptIn(file(xmp(`${packet} `)))).toThrow(/carries no receipt/);
  });

  it('end where the file says so, whatever stands behind', () => {
    const bytes = Buffer.concat([file('VP8 \x02\0\0\0de'), Buffer.from(xmp(writeXmp(json)), 'latin1')]);
    expect([...readWebpChunks(bytes)].map(({ type }) => type)).toEqual(['VP8 ']);
    expect(() => receiptIn(bytes)).toThrow(/carries no receipt/);
  });

  it('get EXIF in front of the XMP, the flag that promises it, and padding', () => {
    const before = file('VP8X\x0a\0\0\0\x04\0\0\0\x01\0\0\x02\0\0', 'VP8 \x03\0\0\0cde\0', 'XMP \x01\0\0\0f\0');
    const after = file(
      'VP8X\x0a\0\0\0\x0c\0\0\0\x01\0\0\x02\0\0',
      'VP8 \x03\0\0\0cde\0',
      'EXIF\x05\0\0\0vwxyz\0',
      'XMP \x01\0\0\0f\0',
    );
    const given = Buffer.from(before);
    expect(insertWebpExif(given, Buffer.from('vwxyz'))).toEqual(after);
    expect(given).toEqual(before);
  });
});

describe('the segments of a JPEG', () => {
  const START = [0xff, 0xd8];
  const SCAN = [0xff, 0xda, 0, 2];
  const segment = (marker: number, ...body: number[]) => [0xff, marker, 0, body.length + 2, ...body];

  it('may have fill bytes in front', () => {
    const file = Buffer.from([...START, 0xff, 0xff, ...segment(0xfe, 7, 8), ...segment(APP1, 9), ...SCAN]);
    expect([...readJpegSegments(file)]).toEqual([
      { marker: 0xfe, body: Buffer.from([7, 8]) },
      { marker: APP1, body: Buffer.from([9]) },
    ]);
  });

  it('end with the image where it has no scan', () => {
    expect([...readJpegSegments(Buffer.from([...START, ...segment(0xfe, 7), 0xff, 0xd9, 1, 2]))]).toHaveLength(1);
  });

  it('may fill the file to its last byte, and no more', () => {
    const file = Buffer.from([...START, ...segment(0xfe, 7, 8)]);
    expect(() => [...readJpegSegments(file)]).toThrow(/no marker at byte 8/);
    expect(() => [...readJpegSegments(file.subarray(0, 7))]).toThrow(/segment at byte 2 that runs past its end/);
  });

  it('get one more behind the JFIF header, or in front where there is none', () => {
    const more = { marker: APP1, body: Buffer.from([1, 2, 3]) };
    const [jfif, other] = [segment(APP0, 5, 6), segment(0xdb, 4)];
    expect([...insertJpegSegment(Buffer.from([...START, ...jfif, ...other, ...SCAN]), more)]).toEqual([
      ...[...START, ...jfif],
      ...[...segment(APP1, 1, 2, 3), ...other, ...SCAN],
    ]);
    expect([...insertJpegSegment(Buffer.from([...START, ...other, ...SCAN]), more)]).toEqual([
      ...START,
      ...[...segment(APP1, 1, 2, 3), ...other, ...SCAN],
    ]);
  });

  it('hold 65,533 bytes', () => {
    const jpeg = Buffer.from([...START, ...SCAN]);
    const insert = (bytes: number) => insertJpegSegment(jpeg, { marker: APP1, body: Buffer.alloc(bytes) });
    expect([...readJpegSegments(insert(65_533))].map(({ body }) => body.length)).toEqual([65_533]);
    expect(() => insert(65_534)).toThrow(/65533 bytes.*65534 are needed/);
  });

  it('give the receipt among others, however many, and from APP1 alone', () => {
    const others = Array.from({ length: 20 }, () => [...segment(APP1, 1, 2), ...segment(0xfe, 3)]).flat();
    const jpeg = Buffer.from([...START, ...others, ...SCAN]);
    const body = Buffer.from(`http://ns.adobe.com/xap/1.0/\0${writeXmp(json)}`);
    expect(receiptIn(insertJpegSegment(jpeg, { marker: APP1, body }))).toEqual(receipt);
    expect(() => receiptIn(insertJpegSegment(jpeg, { marker: 0xfe, body }))).toThrow(/carries no receipt/);
  });

  it('say how coarse the steps are, in tables of 8 and of 16 bits', () => {
    const narrow = [0x00, ...Array<number>(64).fill(3)];
    // The step 0x0102 = 258, high byte first.
    const wide = [0x11, ...Array<number[]>(64).fill([1, 2]).flat()];
    const sum = (...bodies: number[][]) =>
      jpegCoarseness(
        Buffer.from([...START, ...segment(0xfe, 9, 9), ...bodies.flatMap((body) => segment(0xdb, ...body)), ...SCAN]),
      );
    expect(sum(narrow)).toBe(64 * 3);
    expect(sum(wide)).toBe(64 * 258);
    expect(sum([...narrow, ...wide], narrow)).toBe(64 * (3 + 258 + 3));
    // A table that is cut off counts as far as it goes.
    expect(sum(wide.slice(0, 4))).toBe(258);
  });
});

describe('a file that is no image', () => {
  it.each([
    ['a sound, in a container like that of WebP', Buffer.from('RIFF\x04\0\0\0WAVE')],
    ['WebP without the container', Buffer.from('FORM\x04\0\0\0WEBP')],
    ['the end of a JPEG', Buffer.from([0xff, 0xd9, 0xff, 0xda])],
    ['half of the start of a JPEG', Buffer.from([0xfe, 0xd8, 0xff, 0xda])],
    ['all of the signature of PNG but its end', Buffer.from('\x89PNG\r\n\x1a', 'latin1')],
  ])('is told so: %s', (_, bytes) => {
    expect(() => receiptIn(bytes)).toThrow(/not a PNG, JPEG or WebP image/);
  });
});

describe('an EXIF block', () => {
  it('leads a reader by its offsets to the comment', () => {
    const exif = exifWithComment('aé☕');
    const field = (directory: number) => ({
      count: exif.readUInt16BE(directory),
      tag: exif.readUInt16BE(directory + 2),
      type: exif.readUInt16BE(directory + 4),
      length: exif.readUInt32BE(directory + 6),
      value: exif.readUInt32BE(directory + 10),
      next: exif.readUInt32BE(directory + 14),
    });
    expect(exif.toString('latin1', 0, 4)).toBe('MM\0*');
    const root = field(exif.readUInt32BE(4));
    // Tags and types of CIPA DC-008: the pointer to the EXIF directory is a LONG, a user comment is UNDEFINED.
    expect(root).toMatchObject({ count: 1, tag: 0x8769, type: 4, length: 1, next: 0 });
    const comment = field(root.value);
    expect(comment).toMatchObject({ count: 1, tag: 0x9286, type: 7, length: 14, next: 0 });
    expect(comment.value + comment.length).toBe(exif.length);
    expect(exif.subarray(comment.value)).toEqual(Buffer.from('UNICODE\0\0a\0\xe9\x26\x15', 'latin1'));
  });
});

describe('a text of a PNG', () => {
  it('has a megabyte at most', () => {
    const read = (length: number) => textOfChunk(textChunk('key', 'a'.repeat(length)), 'key');
    expect(read(2 ** 20)).toHaveLength(2 ** 20);
    expect(() => read(2 ** 20 + 1)).toThrow(/more than 1048576 bytes/);
  });

  it('has the whole keyword', () => {
    const chunk = textChunk('key', 'a\0b');
    expect(textOfChunk(chunk, 'key')).toBe('a\0b');
    expect(textOfChunk(chunk, 'ke')).toBeNull();
    expect(textOfChunk(chunk, 'keys')).toBeNull();
    expect(textOfChunk({ ...chunk, type: 'IDAT' }, 'key')).toBeNull();
  });
});

describe('an XMP packet', () => {
  it('may have its quotes as entities of any kind', () => {
    expect(receiptsInXmp('<t2i:receipt>{&quot;a&#34;: &apos;b&#39;}</t2i:receipt>')).toEqual([`{"a": 'b'}`]);
  });
});
