/** Bits in front of the arithmetic-coded header: frame tag, start code, size (RFC 6386, 9.1). */
const PREAMBLE = 10;
const SEGMENTS = 4;

/**
 * How coarsely the key frame of a lossy WebP is quantised: its quantiser index, 0 (fine) to 127, as the mean over the segments where
 * each has its own (RFC 6386, 9.3, 9.6 and 19.2). Nothing of a damaged frame is refused: the index is then of no use, and the pixels
 * do not decode.
 */
export function vp8Coarseness(frame: Uint8Array): number {
  const bits = new BoolDecoder(frame.subarray(PREAMBLE));
  bits.read(2);
  let ofSegments: number[] | null = null;
  if (bits.read(1)) {
    const updatesMap = bits.read(1);
    if (bits.read(1)) {
      const absolute = bits.read(1);
      const indices = Array.from({ length: SEGMENTS }, () => bits.readOptional(7));
      for (let i = 0; i < SEGMENTS; i++) bits.readOptional(6);
      if (absolute) ofSegments = indices;
    }
    if (updatesMap) for (let i = 0; i < SEGMENTS - 1; i++) if (bits.read(1)) bits.read(8);
  }
  bits.read(1 + 6 + 3);
  if (bits.read(1) && bits.read(1)) for (let i = 0; i < 8; i++) bits.readOptional(6);
  bits.read(2);
  const base = bits.read(7);
  return ofSegments ? ofSegments.reduce((sum, index) => sum + index) / SEGMENTS : base;
}

/** The boolean entropy decoder (RFC 6386, 7.3), for the header's flags and numbers, whose bits are all equally likely. */
class BoolDecoder {
  readonly #bytes: Uint8Array;
  #next = 2;
  #value: number;
  #range = 255;
  #shifted = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#value = (this.#byte(0) << 8) | this.#byte(1);
  }

  /** An unsigned number, its highest bit first. */
  read(bits: number): number {
    let value = 0;
    for (let i = 0; i < bits; i++) value = (value << 1) | this.#bit();
    return value;
  }

  /** A number with a sign behind it, behind a flag that says whether it is there; else 0. */
  readOptional(bits: number): number {
    if (!this.read(1)) return 0;
    const magnitude = this.read(bits);
    return this.read(1) ? -magnitude : magnitude;
  }

  #bit(): number {
    const split = 1 + ((this.#range - 1) >> 1);
    const bit = Number(this.#value >= split << 8);
    if (bit) this.#value -= split << 8;
    this.#range = bit ? this.#range - split : split;
    while (this.#range < 128) {
      this.#value <<= 1;
      this.#range <<= 1;
      if (++this.#shifted < 8) continue;
      this.#shifted = 0;
      this.#value |= this.#byte(this.#next++);
    }
    return bit;
  }

  #byte(at: number): number {
    return this.#bytes[at] ?? 0;
  }
}
