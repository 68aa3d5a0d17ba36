/** What a server says of its own life: it goes on, it cannot, or its main thread is silent. */
export type Life = 'ok' | 'broken' | 'stuck';

/** Milliseconds that a main thread may be busy with one thing. Nothing of a server's own takes a second. */
const SILENCE = 30_000;
const BEAT = 500;

/** Memory that a server's main thread writes and the thread that answers for its life reads: whether it can go on, and when it last said so. */
export class Pulse {
  readonly #isBroken: Int32Array;
  /** Nanoseconds of the clock that all threads share. */
  readonly #last: BigInt64Array;

  constructor(readonly memory = new SharedArrayBuffer(16)) {
    this.#last = new BigInt64Array(memory, 0, 1);
    this.#isBroken = new Int32Array(memory, 8, 1);
  }

  /** Beats from now on. @returns what ends it */
  start(): () => void {
    this.beat();
    const beating = setInterval(() => this.beat(), BEAT);
    beating.unref();
    return () => clearInterval(beating);
  }

  beat(): void {
    Atomics.store(this.#last, 0, process.hrtime.bigint());
  }

  break(): void {
    Atomics.store(this.#isBroken, 0, 1);
  }

  /** @param now nanoseconds, as `process.hrtime` gives them */
  life(now = process.hrtime.bigint()): Life {
    if (Atomics.load(this.#isBroken, 0) === 1) return 'broken';
    return now - Atomics.load(this.#last, 0) > BigInt(SILENCE) * 1_000_000n ? 'stuck' : 'ok';
  }
}

/** The HTTP status that tells it: supervisors look at nothing else. */
export function statusOf(life: Life): 200 | 503 {
  return life === 'ok' ? 200 : 503;
}
