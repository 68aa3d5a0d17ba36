import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { T2IError } from '../../errors.js';
import { cannotRead } from '../../files.js';

/** A stretch of an archive: bytes, or a file as it lies on the disk, with its SHA-256 in hex where it was hashed before. */
export type Segment = Buffer | { readonly path: string; readonly bytes: number; readonly sha256?: string };

/** An archive that is never written to the disk: any range of it can be read, as often as it takes. */
export type Segments = readonly Segment[];

export function sizeOf(segments: Segments): number {
  return segments.reduce((sum, segment) => sum + bytesOf(segment), 0);
}

/**
 * Bytes `start` to `end` (which is left out).
 *
 * @throws T2IError DATA_INVALID for a file that is shorter than it was, IO_FAILED; the signal's reason
 */
export async function* readSegments(
  segments: Segments,
  start: number,
  end: number,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  let at = 0;
  for (const segment of segments) {
    const from = Math.max(0, start - at);
    const to = Math.min(bytesOf(segment), end - at);
    at += bytesOf(segment);
    if (from >= to) continue;
    if (Buffer.isBuffer(segment)) yield segment.subarray(from, to);
    else yield* readFileRange(segment.path, from, to, signal);
  }
}

async function* readFileRange(path: string, from: number, to: number, signal: AbortSignal): AsyncGenerator<Buffer> {
  let read = 0;
  try {
    for await (const chunk of createReadStream(path, { start: from, end: to - 1, signal })) {
      read += (chunk as Buffer).length;
      yield chunk as Buffer;
    }
  } catch (cause) {
    signal.throwIfAborted();
    throw cannotRead(path, cause);
  }
  if (read < to - from) throw changedWhileRead(path);
}

/**
 * SHA-256 of a whole archive, in hex.
 *
 * @throws T2IError as {@link readSegments}; DATA_INVALID for a file that is another one than was hashed before
 */
export async function hashSegments(segments: Segments, signal: AbortSignal): Promise<string> {
  const whole = createHash('sha256');
  for (const segment of segments) {
    const own = createHash('sha256');
    for await (const chunk of readSegments([segment], 0, bytesOf(segment), signal)) {
      whole.update(chunk);
      own.update(chunk);
    }
    if (Buffer.isBuffer(segment) || segment.sha256 === undefined) continue;
    if (own.digest('hex') !== segment.sha256) throw changedWhileRead(segment.path);
  }
  return whole.digest('hex');
}

export function changedWhileRead(what: string): T2IError {
  return new T2IError('DATA_INVALID', `${what} changed while it was read`, {
    hint: 'Wait until whatever writes it is done, then run this again; what was sent is kept.',
  });
}

function bytesOf(segment: Segment): number {
  return Buffer.isBuffer(segment) ? segment.length : segment.bytes;
}
