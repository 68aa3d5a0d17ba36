import { describe, expect, it } from 'vitest';
import { Progress } from '../../../src/cli/generate/progress.js';
import { formatSeconds } from '../../../src/cli/quantities.js';
import { fakeIo } from '../../support/fake-io.js';

describe('the progress of a run', () => {
  it('redraws one line on a terminal, with the time left', () => {
    const io = fakeIo({ terminal: true });
    let now = 0;
    const progress = new Progress(io, 10, () => now);
    now = 2000;
    progress.step('seed 7');
    now = 4000;
    progress.step('seed 7');
    progress.clear();
    expect(io.err()).toBe('\r\u001b[Kseed 7, 10 %, 18 s left\r\u001b[Kseed 7, 20 %, 16 s left\r\u001b[K');
  });

  it('prints a line now and then elsewhere, without escapes', () => {
    const io = fakeIo();
    let now = 0;
    const progress = new Progress(io, 100, () => now);
    for (let i = 0; i < 12; i++) {
      now += 1000;
      progress.step('seed 7');
    }
    progress.clear();
    expect(io.err()).toBe('seed 7, 5 %, 1 min 35 s left\nseed 7, 10 %, 1 min 30 s left\n');
    expect(io.out()).toBe('');
  });

  it.each([
    [0.42, '0.4 s'],
    [12.4, '12 s'],
    [59.7, '1 min 0 s'],
    [200, '3 min 20 s'],
    [7500, '2 h 5 min'],
  ])('writes %d seconds as %s', (seconds, text) => {
    expect(formatSeconds(seconds)).toBe(text);
  });
});
