import { describe, expect, it } from 'vitest';
import { type BenchProgress, emptyLog, runRounds } from '../../../src/bench/run.js';
import { fakeSubject } from './subjects.js';

const never = new AbortController().signal;
const quiet = () => {};

describe('the rounds of a benchmark', () => {
  it('warm up first, then run every case once a round, each round starting one later', async () => {
    const asked: string[] = [];
    const a = emptyLog(fakeSubject({ name: 'a', draw: (n) => write(`a${n}`), firstImage: null }));
    const b = emptyLog(
      fakeSubject({ name: 'b', warmups: 2, concurrency: [1], draw: (n) => write(`b${n}`), firstImage: null }),
    );
    const { draw } = fakeSubject();
    async function write(what: string) {
      asked.push(what);
      return draw(1, never);
    }
    await runRounds([a, b], { rounds: 3, signal: never, onProgress: quiet });
    expect(asked.join(' ')).toBe('a1 b1 b1  a1 a2 b1  a2 b1 a1  b1 a1 a2'.replaceAll('  ', ' '));
  });

  it('keep what counts, and not what warmed up', async () => {
    const log = emptyLog(fakeSubject({ warmups: 3 }));
    await runRounds([log], { rounds: 2, signal: never, onProgress: quiet });
    expect(log.draws.map(({ images }) => images.length).sort()).toEqual([1, 1, 2, 2]);
    expect(log.firstImages).toHaveLength(2);
    expect(log.pixels?.rgb).toEqual(Uint8Array.of(100, 2, 3));
  });

  it('say what is next and how much is done', async () => {
    const seen: BenchProgress[] = [];
    const log = emptyLog(fakeSubject({ concurrency: [1] }));
    await runRounds([log], { rounds: 2, signal: never, onProgress: (progress) => seen.push(progress) });
    expect(seen.map(({ what, done, total }) => `${done}/${total} ${what}`)).toEqual([
      '0/4 warming up a',
      '0/4 round 1 of 2, a, 1 at once',
      '1/4 round 1 of 2, a, first image of a process',
      '2/4 round 2 of 2, a, first image of a process',
      '3/4 round 2 of 2, a, 1 at once',
    ]);
  });

  it('end with the reason of the signal and keep what was measured until then', async () => {
    const controller = new AbortController();
    const log = emptyLog(fakeSubject());
    const onProgress = ({ done }: BenchProgress) => {
      if (done === 4) controller.abort(new Error('enough'));
    };
    await expect(runRounds([log], { rounds: 9, signal: controller.signal, onProgress })).rejects.toThrow('enough');
    expect(log.draws.length + log.firstImages.length).toBe(5);
  });

  it('keep what was measured before a case that fails', async () => {
    const failing = async () => Promise.reject(new Error('crashed'));
    const log = emptyLog(fakeSubject({ firstImage: failing }));
    await expect(runRounds([log], { rounds: 1, signal: never, onProgress: quiet })).rejects.toThrow('crashed');
    expect(log.draws).toHaveLength(2);
  });
});
