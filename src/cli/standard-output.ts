import { fstatSync, writeSync } from 'node:fs';
import type { TextOutput } from './io.js';

/** What process.stdout is. */
type Stream = NodeJS.WriteStream & { readonly fd: 1 };

/**
 * Standard output that writes all or fails. Node's own stream writes to a file once and takes for granted that all of it went there,
 * which on a full disk leaves a half image and no error.
 *
 * @param onError called with the system's error; it ends the process
 */
export function standardOutput(stream: Stream, onError: (error: NodeJS.ErrnoException) => never): TextOutput {
  stream.on('error', onError);
  if (!isFile(stream.fd)) return stream;
  return {
    isTTY: false,
    write(data) {
      try {
        writeWhole(stream.fd, Buffer.from(data as Uint8Array));
      } catch (error) {
        onError(error as NodeJS.ErrnoException);
      }
    },
  };
}

function writeWhole(fd: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done);
}

/** False also for a descriptor that was closed. */
function isFile(fd: number): boolean {
  try {
    return fstatSync(fd).isFile();
  } catch {
    return false;
  }
}
