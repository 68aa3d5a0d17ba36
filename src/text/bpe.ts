import { toByteCharacters } from './byte-alphabet.js';
import { MergeQueue } from './merge-queue.js';
import type { BpeTables } from './tables.js';

/** Marks the last character of a word in CLIP's vocabulary. */
const END_OF_WORD = '</w>';

/**
 * Byte-pair encoding of one word with CLIP's end-of-word suffix (Sennrich et al. 2016, algorithm 1): join the
 * neighbouring pair of the lowest rank, leftmost first, until no pair has a rank. A heap keeps this at n log n, since a
 * prompt may hold one word of any length.
 */
export class Bpe {
  /** @param unknownId stands for a character that the vocabulary lacks. */
  constructor(
    private readonly tables: BpeTables,
    private readonly unknownId: number,
  ) {}

  /** Token ids of a word that is not empty. */
  encodeWord(word: string): number[] {
    const characters = toByteCharacters(word);
    characters[characters.length - 1] += END_OF_WORD;
    return this.merge(characters.map((character) => this.tables.vocab.get(character) ?? this.unknownId));
  }

  private merge(ids: number[]): number[] {
    const { mergedIds } = this.tables;
    const end = ids.length;
    // A linked list over positions: symbol i spans up to next[i]; a symbol that was swallowed has id -1.
    const next = Int32Array.from(ids, (_, i) => i + 1);
    const previous = Int32Array.from(ids, (_, i) => i - 1);
    const queue = new MergeQueue();
    const rankAt = (i: number) => {
      const right = next[i] as number;
      return right < end ? this.rank(ids[i] as number, ids[right] as number) : undefined;
    };
    const enqueue = (i: number) => {
      const rank = rankAt(i);
      if (rank !== undefined) queue.push(rank, i);
    };
    for (const i of ids.keys()) enqueue(i);
    for (let top = queue.pop(); top !== null; top = queue.pop()) {
      const { rank, position } = top;
      // The pair that was queued may have changed since; a symbol that was swallowed has no rank.
      if (rankAt(position) !== rank) continue;
      const swallowed = next[position] as number;
      const after = next[swallowed] as number;
      ids[position] = mergedIds[rank] as number;
      ids[swallowed] = -1;
      next[position] = after;
      if (after < end) previous[after] = position;
      if ((previous[position] as number) >= 0) enqueue(previous[position] as number);
      enqueue(position);
    }
    return ids.filter((id) => id !== -1);
  }

  private rank(left: number, right: number): number | undefined {
    return this.tables.ranks.get(left * this.tables.base + right);
  }
}
