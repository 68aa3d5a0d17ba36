/**
 * Messages as bytes, for a child that is no Node process: each is a frame of two lengths (uint32, little-endian), as many bytes of
 * JSON in UTF-8, and as many bytes of arrays. In the JSON an array is `{"$array": TYPE, "at": OFFSET, "length": COUNT}`: where it lies
 * among the bytes behind, and how many elements it has. The Python side is trainer/t2i_trainer/backend/frames.py.
 */

const PREFIX = 8;
/** JSON that no message has: what comes is none. */
const MOST_JSON = 64 * 2 ** 20;

const ARRAYS = { f4: Float32Array, i4: Int32Array, u1: Uint8Array } as const;
type ArrayType = keyof typeof ARRAYS;

/** Where an array lies. */
interface Place {
  readonly $array: ArrayType;
  readonly at: number;
  readonly length: number;
}

/** A message in its frame, in pieces to be written one after the other; arrays are not copied. */
export function encodeFrame(message: unknown): Uint8Array[] {
  const arrays: Uint8Array[] = [];
  let at = 0;
  const text = JSON.stringify(message, (_, value: unknown) => {
    if (!ArrayBuffer.isView(value)) return value;
    const type = (Object.keys(ARRAYS) as ArrayType[]).find((name) => value instanceof ARRAYS[name]) as ArrayType;
    const bytes = new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
    const place: Place = { $array: type, at, length: value.byteLength / ARRAYS[type].BYTES_PER_ELEMENT };
    arrays.push(bytes);
    at += bytes.length;
    return place;
  });
  const json = Buffer.from(text);
  const prefix = Buffer.alloc(PREFIX);
  prefix.writeUInt32LE(json.length, 0);
  prefix.writeUInt32LE(at, 4);
  return [prefix, json, ...arrays];
}

/** Puts messages together from what arrives of their frames. */
export class FrameReader {
  #pieces: Buffer[] = [];
  #size = 0;
  #wanted = PREFIX;

  /** @returns the messages that are whole now; throws where what arrives is no frame */
  push(piece: Buffer): unknown[] {
    this.#pieces.push(piece);
    this.#size += piece.length;
    const messages: unknown[] = [];
    while (this.#size >= this.#wanted) {
      const bytes = Buffer.concat(this.#pieces);
      const json = bytes.readUInt32LE(0);
      if (json > MOST_JSON) throw new Error('what arrived is no frame');
      const end = PREFIX + json + bytes.readUInt32LE(4);
      const whole = bytes.length >= end;
      if (whole)
        messages.push(decode(bytes.toString('utf8', PREFIX, PREFIX + json), bytes.subarray(PREFIX + json, end)));
      const rest = whole ? bytes.subarray(end) : bytes;
      this.#pieces = [rest];
      this.#size = rest.length;
      this.#wanted = whole ? PREFIX : end;
    }
    return messages;
  }
}

function decode(json: string, body: Buffer): unknown {
  return JSON.parse(json, (_, value: unknown) => {
    if (typeof value !== 'object' || value === null || !('$array' in value)) return value;
    const { $array, at, length } = value as Place;
    const type = ARRAYS[$array];
    // A copy: elements must be aligned, and what arrived with them is not to be kept.
    return new type(Uint8Array.from(body.subarray(at, at + length * type.BYTES_PER_ELEMENT)).buffer);
  });
}
