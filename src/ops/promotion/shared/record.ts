import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { T2IError } from '../../../errors.js';
import { ENTRY, type HistoryEntry } from '../history.js';
import { parseRecord } from '../records.js';
import type { SharedPlace } from './place.js';

/** `promotion.json`: everything that was ever promoted there. The last entry is what is promoted. */
const RECORD = z.object({
  formatVersion: z.literal(1, 'another format than 1: a newer version of this package may read it'),
  history: z.array(ENTRY).min(1, 'a history without an entry'),
});

export interface SharedHistory {
  readonly history: readonly HistoryEntry[];
  readonly tag: string;
}

/** Writes that are tried again where the place says that another was faster, and there was none. */
const TRIES = 5;
const HINT = 'Bring an earlier version of it back (a bucket keeps them where versioning is on); nothing was changed.';

/** @throws T2IError DATA_INVALID: a damaged record is never taken for none; as the place */
export async function readShared(place: SharedPlace, signal: AbortSignal): Promise<SharedHistory | null> {
  const found = await place.readRecord(signal);
  if (found === null) return null;
  return { history: parseRecord(found.text, place.address, RECORD, HINT).history, tag: found.tag };
}

/**
 * Shares a history whose last model was sent.
 *
 * @param only as {@link SharedPlace.writeRecord}
 * @returns false where another one was faster: what is shared is to be read again
 * @throws T2IError as the place
 */
export async function writeShared(
  place: SharedPlace,
  history: readonly HistoryEntry[],
  only: string | null,
  signal: AbortSignal,
): Promise<boolean> {
  const text = `${JSON.stringify({ formatVersion: 1, history }, null, 1)}\n`;
  for (let tries = 1; ; tries++) {
    try {
      await place.writeRecord(text, only, signal);
      return true;
    } catch (error) {
      if (!T2IError.is(error) || error.code !== 'REMOTE_CONFLICT') throw error;
      const now = await readShared(place, signal);
      // The faster one was a try of this very write whose answer was lost.
      if (isDeepStrictEqual(now?.history[history.length - 1], history.at(-1))) return true;
      if ((now?.tag ?? null) !== only) return false;
      if (tries === TRIES) throw error;
    }
  }
}
