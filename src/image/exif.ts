/** What starts the EXIF segment of a JPEG; in WebP the block stands alone. */
export const JPEG_EXIF_HEADER = Buffer.from('Exif\0\0', 'latin1');

const EXIF_IFD_POINTER = 0x8769;
const USER_COMMENT = 0x9286;
const LONG = 4;
const UNDEFINED = 7;
const CHARACTER_CODE = Buffer.from('UNICODE\0', 'latin1');

/**
 * An EXIF block (CIPA DC-008) that holds a user comment and nothing else, where the Stable Diffusion family looks for `parameters` in
 * files without text chunks. It is big-endian, as is its UTF-16: readers differ in whether they follow the block's byte order.
 */
export function exifWithComment(text: string): Buffer {
  // By way of UTF-8, which turns lone surrogates into the replacement character: strict readers refuse them.
  const units = Buffer.from(Buffer.from(text).toString(), 'utf16le').swap16();
  const comment = Buffer.concat([CHARACTER_CODE, units]);
  const header = Buffer.from([0x4d, 0x4d, 0, 42, 0, 0, 0, 8]);
  const root = directory(EXIF_IFD_POINTER, LONG, 1, header.length + DIRECTORY_LENGTH);
  const exif = directory(USER_COMMENT, UNDEFINED, comment.length, header.length + 2 * DIRECTORY_LENGTH);
  return Buffer.concat([header, root, exif, comment]);
}

const DIRECTORY_LENGTH = 2 + 12 + 4;

/** An image file directory of one field, the last of its chain. */
function directory(tag: number, type: number, count: number, valueOrOffset: number): Buffer {
  const bytes = Buffer.alloc(DIRECTORY_LENGTH);
  bytes.writeUInt16BE(1, 0);
  bytes.writeUInt16BE(tag, 2);
  bytes.writeUInt16BE(type, 4);
  bytes.writeUInt32BE(count, 6);
  bytes.writeUInt32BE(valueOrOffset, 10);
  return bytes;
}
