import { T2IError } from '../errors.js';
import { MAX_PARTS } from './bytes.js';

export interface WebpChunk {
  /** Four letters, for example `VP8X`. */
  readonly type: string;
  readonly body: Buffer;
}

const HEADER = 12;
/** Bit of the flags in VP8X that promises a chunk of EXIF. */
const HAS_EXIF = 0x08;

/** True where the bytes begin as every WebP does. */
export function isWebp(file: Buffer): boolean {
  return file.toString('latin1', 0, 4) === 'RIFF' && file.toString('latin1', 8, 12) === 'WEBP';
}

/**
 * The chunks of the RIFF container (RFC 9649, section 2.3), in order; the bodies are views.
 *
 * @throws T2IError IMAGE_INVALID where the file or a chunk is cut off, or there are too many
 */
export function* readWebpChunks(file: Buffer): Generator<WebpChunk> {
  const fileEnd = file.length < HEADER ? HEADER : 8 + file.readUInt32LE(4);
  if (fileEnd > file.length) {
    throw new T2IError('IMAGE_INVALID', `The WebP ends at byte ${file.length}, not at ${fileEnd}`);
  }
  let offset = HEADER;
  for (let count = 0; offset + 8 <= fileEnd; count++) {
    if (count === MAX_PARTS) throw new T2IError('IMAGE_INVALID', `The WebP has more than ${MAX_PARTS} chunks`);
    const length = file.readUInt32LE(offset + 4);
    const end = offset + 8 + length;
    if (end > fileEnd) {
      throw new T2IError('IMAGE_INVALID', `The WebP has a chunk at byte ${offset} that runs past its end`);
    }
    yield { type: file.toString('latin1', offset, offset + 4), body: file.subarray(offset + 8, end) };
    offset = end + (length % 2);
  }
}

/** A copy of a WebP that was just encoded with XMP, with EXIF where the format wants it: behind the pixels, in front of the XMP. */
export function insertWebpExif(webp: Buffer, exif: Buffer): Buffer<ArrayBuffer> {
  const chunks = [...readWebpChunks(webp)].flatMap((chunk) => {
    if (chunk.type === 'XMP ') return [{ type: 'EXIF', body: exif }, chunk];
    if (chunk.type !== 'VP8X') return [chunk];
    const body = Buffer.from(chunk.body);
    body[0] = (body[0] as number) | HAS_EXIF;
    return [{ type: chunk.type, body }];
  });
  const packed = Buffer.concat([webp.subarray(0, HEADER), ...chunks.map(packChunk)]);
  packed.writeUInt32LE(packed.length - 8, 4);
  return packed;
}

function packChunk({ type, body }: WebpChunk): Buffer {
  const packed = Buffer.alloc(8 + body.length + (body.length % 2));
  packed.write(type, 0, 'latin1');
  packed.writeUInt32LE(body.length, 4);
  packed.set(body, 8);
  return packed;
}
