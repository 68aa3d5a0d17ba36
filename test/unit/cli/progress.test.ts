import { describe, expect, it } from 'vitest';
import type { NetworkName } from '../../../src/backends/backend.js';
import { fitWidth } from '../../../src/cli/display-width.js';
import { EngineProgress } from '../../../src/cli/engines/open-progress.js';
import { Progress } from '../../../src/cli/generate/progress.js';
import { StatusLine } from '../../../src/cli/status-line.js';
import { fakeIo, shownLines } from '../../support/fake-io.js';

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

  it.each([
    [20, 'seed 7, 10 %, 18 s…'],
    [21, 'seed 7, 10 %, 18 s …'],
    [24, 'seed 7, 10 %, 18 s left'],
    [1, ''],
    [undefined, 'seed 7, 10 %, 18 s left'],
  ])('fits a terminal of %s columns', (columns, text) => {
    const io = fakeIo({ terminal: true, columns });
    let now = 0;
    const progress = new Progress(io, 10, () => now);
    now = 2000;
    progress.step('seed 7');
    expect(io.err()).toBe(`\r\u001b[K${text}`);
  });

  it.each([
    ['ab', 2, 'ab'],
    ['abc', 2, 'a…'],
    ['漢字', 4, '漢字'],
    ['漢字', 3, '漢…'],
    ['漢字', 2, '…'],
    ['👩‍🚀👩‍🚀', 3, '👩‍🚀…'],
    ['☝🏽☝🏽', 3, '☝🏽…'],
    ['❤\ufe0f❤\ufe0f', 3, '❤\ufe0f…'],
    ['🇳🇱🇳🇱', 3, '🇳🇱…'],
    ['𠮷𠮷', 3, '𠮷…'],
    ['ÄÄÄ', 3, 'ÄÄÄ'],
    ['e\u0301e\u0301', 2, 'e\u0301e\u0301'],
    ['e\u0301e\u0301', 1, '…'],
    // Marks and joiners that stand alone take no column.
    ['\u0301ab', 2, '\u0301ab'],
    ['\u200fab', 2, '\u200fab'],
    ['ab', 1, '…'],
    ['abc', 0, ''],
    ['', 0, ''],
  ])('draws %s in %d columns as %s', (text, columns, expected) => {
    expect(fitWidth(text, columns)).toBe(expected);
  });

  it('is one line whatever it says, and plain where the terminal is dumb', () => {
    const io = fakeIo({ terminal: true, columns: 40 });
    new StatusLine(io).show('a\nb');
    expect(io.err()).toBe('\r\u001b[Ka b');
    const dumb = fakeIo({ terminal: true, env: { TERM: 'dumb' } });
    const line = new StatusLine(dumb);
    line.show('a');
    line.clear();
    expect(dumb.err()).toBe('');
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
});

describe('the progress of engines', () => {
  const event = (network: NetworkName, phase: 'build' | 'check', fraction: number, detail = '') => ({
    network,
    phase,
    fraction,
    detail,
  });

  it('shows phase, percent and seconds, one network after the other', () => {
    const io = fakeIo({ terminal: true });
    let now = 0;
    const progress = new EngineProgress(io, () => now);
    progress.update(event('unet', 'build', 0));
    now = 3000;
    progress.update(event('unet', 'build', 0.456, 'Tactics 4/9'));
    progress.update(event('unet', 'check', 0));
    progress.clear();
    const lines = shownLines(io.err());
    expect(lines).toEqual([
      '',
      'building unet, 0 %, 0.0 s',
      'building unet, 45 %, 3.0 s, Tactics 4/9',
      'checking unet, 0 %, 0.0 s',
      '',
    ]);
  });

  it('knows how long each network took', () => {
    let now = 1000;
    const progress = new EngineProgress(fakeIo(), () => now);
    progress.update(event('textEncoder', 'build', 0));
    now = 3000;
    progress.update(event('textEncoder', 'check', 0));
    now = 3500;
    progress.update(event('unet', 'build', 0));
    now = 9500;
    progress.finish();
    now = 20_000;
    progress.finish();
    expect((['textEncoder', 'unet', 'vaeDecoder'] as const).map((network) => progress.seconds(network))).toEqual([
      2.5, 6, 0,
    ]);
  });

  it('shows control characters of a runtime as escapes', () => {
    const io = fakeIo({ terminal: true });
    new EngineProgress(io).update(event('unet', 'build', 0, 'x\u001b[2J'));
    expect(io.err()).toContain('x\\u{1b}[2J');
  });
});
