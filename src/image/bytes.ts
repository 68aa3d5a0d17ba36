/** The same bytes with a Buffer's methods; nothing is copied. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Most chunks or segments that are walked in one file: empty ones would cost far more time than their bytes to read. */
export const MAX_PARTS = 65_536;
