/** Positions are below this; ranks times this stay exact integers in a double. */
const POSITIONS = 2 ** 32;

/** A binary min-heap of merges that wait for their turn: lowest rank first, then leftmost, as byte-pair encoding asks. */
export class MergeQueue {
  private readonly keys: number[] = [];

  push(rank: number, position: number): void {
    const { keys } = this;
    const key = rank * POSITIONS + position;
    let index = keys.length;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      const above = keys[parent] as number;
      if (above <= key) break;
      keys[index] = above;
      index = parent;
    }
    keys[index] = key;
  }

  pop(): { rank: number; position: number } | null {
    const { keys } = this;
    if (keys.length === 0) return null;
    const top = keys[0] as number;
    const last = keys.pop() as number;
    if (keys.length > 0) this.sink(last);
    return { rank: Math.floor(top / POSITIONS), position: top % POSITIONS };
  }

  /** Puts `key` at the root and moves it down to its place. */
  private sink(key: number): void {
    const { keys } = this;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= keys.length) break;
      if ((keys[child + 1] ?? Number.POSITIVE_INFINITY) < (keys[child] as number)) child++;
      if ((keys[child] as number) >= key) break;
      keys[index] = keys[child] as number;
      index = child;
    }
    keys[index] = key;
  }
}
