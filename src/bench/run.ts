import type { Pixels } from '../image/encode.js';
import { rotated } from './rotate.js';
import type { Draw, FirstImage, Subject } from './subject.js';

/** Everything that was measured of a subject so far. */
export interface SubjectLog {
  readonly subject: Subject;
  /** Without their pixels. */
  readonly draws: Omit<Draw, 'pixels'>[];
  readonly firstImages: FirstImage[];
  /** The last image drawn: all of a subject's are of one seed. */
  pixels: Pixels | null;
}

/** How far a benchmark has come. */
export interface BenchProgress {
  /** What runs now, for people. */
  readonly what: string;
  /** Cases that are done, of all rounds, and how many there are. */
  readonly done: number;
  readonly total: number;
}

export interface RunOptions {
  readonly rounds: number;
  readonly signal: AbortSignal;
  readonly onProgress: (progress: BenchProgress) => void;
}

/** One thing that is measured once a round. */
interface Case {
  readonly what: string;
  run(): Promise<void>;
}

export const emptyLog = (subject: Subject): SubjectLog => ({ subject, draws: [], firstImages: [], pixels: null });

/**
 * Draws without measuring until every subject is warm, then runs every case once a round, in rotated order.
 *
 * @param logs what is measured is added to them at once, so that it is there when a later case fails
 * @throws what a subject throws; the signal's reason
 */
export async function runRounds(logs: readonly SubjectLog[], options: RunOptions): Promise<void> {
  const { rounds, signal, onProgress } = options;
  const cases = logs.flatMap((log) => casesOf(log, signal));
  const total = cases.length * rounds;
  for (const { subject } of logs) {
    for (let run = 0; run < subject.warmups; run++) {
      onProgress({ what: `warming up ${subject.name}`, done: 0, total });
      await subject.draw(1, signal);
    }
  }
  for (let round = 0; round < rounds; round++) {
    for (const [place, { what, run }] of rotated(cases, round).entries()) {
      signal.throwIfAborted();
      const done = round * cases.length + place;
      onProgress({ what: `round ${round + 1} of ${rounds}, ${what}`, done, total });
      await run();
    }
  }
}

function casesOf(log: SubjectLog, signal: AbortSignal): Case[] {
  const { subject } = log;
  const draws = subject.concurrency.map((requests) => ({
    what: `${subject.name}, ${requests} at once`,
    run: async () => {
      const { pixels, ...times } = await subject.draw(requests, signal);
      log.draws.push(times);
      log.pixels = pixels;
    },
  }));
  const { firstImage } = subject;
  if (firstImage === null) return draws;
  const first = {
    what: `${subject.name}, first image of a process`,
    run: async () => void log.firstImages.push(await firstImage(signal)),
  };
  return [...draws, first];
}
