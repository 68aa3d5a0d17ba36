import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

/** A file that is no well-formed protobuf message, or one that is out of bounds; `message` says why. */
export class ProtobufError extends Error {}

/** Fields of a real graph number in the hundred thousands; the bound keeps a hostile file from holding the caller up. */
const MOST_FIELDS = 2_000_000;
/** As in Google's own reader. */
const DEEPEST = 100;
const WINDOW = 1 << 16;
const LONGEST_STRING = 4096;
/** What reading a text costs of the bound on fields. */
const BYTES_A_FIELD = 16;

/** One field of a message: a number for varints and fixed-width values, a span of the file for everything with a length. */
export type Field = { readonly number: number } & (
  | { readonly varint: bigint; readonly span?: never }
  | { readonly span: Span; readonly varint?: never }
);

/** A stretch of the file from `start` up to `end`, `depth` messages deep. */
export interface Span {
  readonly start: number;
  readonly end: number;
  readonly depth: number;
}

/**
 * Reads a protobuf file field by field, never as a whole: a window moves over the file and jumps past what nobody asks
 * for, so that gigabytes of weights are not read. Source of the format: protobuf.dev, "Encoding".
 */
export class ProtobufFile {
  private readonly window = Buffer.alloc(WINDOW);
  private windowStart = 0;
  private windowEnd = 0;
  private fields = 0;

  private constructor(
    private readonly descriptor: number,
    readonly size: number,
  ) {}

  /** Opens `path`, runs `read` and closes it again. */
  static use<T>(path: string, read: (file: ProtobufFile) => T): T {
    const descriptor = openSync(path, 'r');
    try {
      return read(new ProtobufFile(descriptor, fstatSync(descriptor).size));
    } finally {
      closeSync(descriptor);
    }
  }

  get whole(): Span {
    return { start: 0, end: this.size, depth: 0 };
  }

  /** The fields of the message in `span`, in the file's order. @throws ProtobufError */
  *fieldsOf(span: Span): Generator<Field> {
    if (span.depth > DEEPEST) throw new ProtobufError(`messages nested deeper than ${DEEPEST}`);
    let at = span.start;
    const varint = () => {
      let value = 0n;
      for (let shift = 0n; shift < 70n; shift += 7n) {
        if (at >= span.end) throw new ProtobufError(`the message at byte ${span.start} ends in the middle of a field`);
        const byte = this.byte(at++);
        value |= BigInt(byte & 127) << shift;
        if (byte < 128) return value;
      }
      throw new ProtobufError(`a number of more than 10 bytes at byte ${at}`);
    };
    while (at < span.end) {
      this.spend(1);
      const tag = Number(varint());
      const number = Math.floor(tag / 8);
      const wireType = tag % 8;
      if (number < 1 || number > 0x1fffffff) throw new ProtobufError(`field number ${number} at byte ${at}`);
      if (wireType === 0) {
        yield { number, varint: varint() };
        continue;
      }
      const length = wireType === 2 ? Number(varint()) : FIXED_WIDTH[wireType];
      if (length === undefined) throw new ProtobufError(`wire type ${wireType} at byte ${at}`);
      if (length > span.end - at)
        throw new ProtobufError(`a field of ${length} bytes at byte ${at}, where ${span.end - at} are left`);
      yield { number, span: { start: at, end: at + length, depth: span.depth + 1 } };
      at += length;
    }
  }

  /** The text in `span`. @throws ProtobufError where it is longer than any name. */
  text(span: Span): string {
    const length = span.end - span.start;
    if (length > LONGEST_STRING) throw new ProtobufError(`a name of ${length} bytes at byte ${span.start}`);
    this.spend(length / BYTES_A_FIELD);
    return Buffer.from(Array.from({ length }, (_, i) => this.byte(span.start + i))).toString('utf8');
  }

  /** The numbers of a repeated integer field, packed or one by one, signed. */
  integers(field: Field): number[] {
    if (field.varint !== undefined) return [signed(field.varint)];
    const values: number[] = [];
    let value = 0n;
    let shift = 0n;
    for (let at = field.span.start; at < field.span.end; at++) {
      this.spend(1);
      const byte = this.byte(at);
      value |= BigInt(byte & 127) << shift;
      shift += 7n;
      if (byte >= 128) {
        if (shift > 63n) throw new ProtobufError(`a number of more than 10 bytes at byte ${at}`);
        continue;
      }
      values.push(signed(value));
      value = 0n;
      shift = 0n;
    }
    if (shift !== 0n) throw new ProtobufError(`a packed number that does not end at byte ${field.span.end}`);
    return values;
  }

  private spend(fields: number): void {
    this.fields += fields;
    if (this.fields > MOST_FIELDS) throw new ProtobufError(`more than ${MOST_FIELDS} fields`);
  }

  private byte(at: number): number {
    if (at < this.windowStart || at >= this.windowEnd) {
      const read = readSync(this.descriptor, this.window, 0, WINDOW, at);
      if (read === 0) throw new ProtobufError(`the file ends at byte ${at}`);
      this.windowStart = at;
      this.windowEnd = at + read;
    }
    return this.window[at - this.windowStart] as number;
  }
}

/** Bytes of the wire types 1 and 5. */
const FIXED_WIDTH: Readonly<Record<number, number>> = { 1: 8, 5: 4 };

/** The int64 that a varint stands for; beyond 2^53 only its sign and rough size matter to us. */
export function signed(varint: bigint): number {
  return Number(BigInt.asIntN(64, varint));
}
