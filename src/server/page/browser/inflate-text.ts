/** Longest text that is read from an image, in bytes. */
export const MAX_TEXT = 1 << 20;

/** A text out of zlib's format; null where it is damaged or longer than 1 MiB. */
export async function inflateText(packed: Uint8Array, decode: (bytes: Uint8Array) => string): Promise<string | null> {
  const reader = new Blob([Uint8Array.from(packed)])
    .stream()
    .pipeThrough(new DecompressionStream('deflate'))
    .getReader();
  const text = new Uint8Array(MAX_TEXT);
  let length = 0;
  try {
    for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read()) {
      // Throws where it does not fit.
      text.set(chunk.value, length);
      length += chunk.value.length;
    }
    return decode(text.subarray(0, length));
  } catch {
    return null;
  } finally {
    reader.cancel().catch(() => {});
  }
}
