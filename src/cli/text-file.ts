import { readFile } from 'node:fs/promises';
import { absolutePath, cannotRead } from '../files.js';

/** What an option's file says, by a path of the working folder. @throws T2IError IO_FAILED */
export async function readTextFile(path: string): Promise<string> {
  const bytes = await readFile(absolutePath(path)).catch((cause) => {
    throw cannotRead(path, cause);
  });
  return decodeText(bytes);
}

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
