/** What waits for whom. */
export interface Waiting {
  /** Whose turn it takes. */
  readonly key: string;
}

/**
 * First come, first served within a key; keys take turns, so that whoever sends a hundred requests does not keep the next one
 * waiting for a hundred.
 */
export class FairQueue<T extends Waiting> {
  /** In the order of the keys' turns. */
  readonly #lines = new Map<string, T[]>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  sizeOf(key: string): number {
    return this.#lines.get(key)?.length ?? 0;
  }

  push(item: T): void {
    const line = this.#lines.get(item.key);
    if (line) line.push(item);
    else this.#lines.set(item.key, [item]);
    this.#size++;
  }

  /** Puts back what was taken and is to be next, before all of its key, and its key before all others. */
  unshift(item: T): void {
    const line = this.#lines.get(item.key) ?? [];
    const others = [...this.#lines].filter(([key]) => key !== item.key);
    this.#lines.clear();
    this.#lines.set(item.key, [item, ...line]);
    for (const [key, each] of others) this.#lines.set(key, each);
    this.#size++;
  }

  /** Takes the first of the key whose turn it is, which then goes to the end. */
  shift(): T | undefined {
    for (const [key, [item]] of this.#lines) {
      this.remove(item as T);
      const rest = this.#lines.get(key);
      if (rest) {
        this.#lines.delete(key);
        this.#lines.set(key, rest);
      }
      return item;
    }
    return undefined;
  }

  /** False where it does not wait. */
  remove(item: T): boolean {
    const line = this.#lines.get(item.key);
    if (!line?.includes(item)) return false;
    line.splice(line.indexOf(item), 1);
    if (line.length === 0) this.#lines.delete(item.key);
    this.#size--;
    return true;
  }

  /** All that wait, in the order in which `shift` would give them. */
  *inOrder(): Generator<T> {
    let lines = [...this.#lines.values()];
    for (let round = 0; lines.length > 0; round++) {
      lines = lines.filter((line) => line.length > round);
      for (const line of lines) yield line[round] as T;
    }
  }
}
