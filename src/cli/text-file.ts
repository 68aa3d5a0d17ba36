/**
 * The text of a file as editors write it: UTF-8, or what a byte order mark says (UTF-8, UTF-16 of either order), the mark left out.
 * Windows programs write UTF-16.
 */
export function decodeText(bytes: Uint8Array): string {
  const [first, second] = bytes;
  const encoding =
    first === 0xff && second === 0xfe ? 'utf-16le' : first === 0xfe && second === 0xff ? 'utf-16be' : 'utf-8';
  return new TextDecoder(encoding).decode(bytes);
}
