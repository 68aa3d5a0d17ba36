import { afterEach, expect, it, vi } from 'vitest';
import { DownloadStatus } from '../../../src/cli/download-status.js';
import { fakeIo, shownLines } from '../../support/fake-io.js';

afterEach(() => vi.useRealTimers());

const MIB = 2 ** 20;

/** What is shown of a download at those seconds, and how many MiB of 100 were there then. */
function shown(...course: readonly (readonly [seconds: number, mebibytes: number])[]): string[] {
  const io = fakeIo({ terminal: true });
  let now = 0;
  const status = new DownloadStatus(io, 'owner/name', () => now);
  for (const [seconds, mebibytes] of course) {
    now = seconds * 1000;
    status.update({ bytes: mebibytes * MIB, totalBytes: 100 * MIB, files: 2, totalFiles: 7 });
  }
  status.clear();
  const lines = shownLines(io.err());
  expect([lines[0], lines.at(-1)]).toEqual(['', '']);
  return lines.slice(1, -1);
}

it('shows how much of a download is there, how fast it is, and how long the rest takes', () => {
  expect(shown([0, 0], [1, 10], [2, 30])).toEqual([
    'fetching owner/name 0 B of 100 MiB, 2/7 files',
    'fetching owner/name 10 MiB of 100 MiB, 2/7 files, 10 MiB/s, 9.0 s left',
    'fetching owner/name 30 MiB of 100 MiB, 2/7 files, 15 MiB/s, 4.7 s left',
  ]);
});

it('counts no bytes as fetched that were there before', () => {
  expect(shown([0, 50], [2, 70]).at(-1)).toMatch(/, 10 MiB\/s, 3\.0 s left$/);
});

it('is as fast as in the last five seconds, not as on average', () => {
  const slow = [0, 1, 2, 3].map((at) => [at, at] as const);
  // From the last time before them.
  expect(shown(...slow, [5, 25], [8, 55], [10, 73]).at(-1)).toMatch(/, 10 MiB\/s, 2\.7 s left$/);
  expect(shown([0, 0], [1, 1], [5, 11], [6, 51]).at(-1)).toMatch(/, 8\.5 MiB\/s, 5\.8 s left$/);
  expect(shown([0, 0], [1, 1], [5, 11], [7, 61]).at(-1)).toMatch(/, 10 MiB\/s, 3\.9 s left$/);
});

it('keeps what it last heard, however long ago that was', () => {
  expect(shown([0, 0], [1, 1], [31, 61]).at(-1)).toMatch(/, 2\.0 MiB\/s, 20 s left$/);
});

it.each([
  ['nothing came', 0, 40],
  ['no time has passed', 3, 20],
])('shows no speed where %s', (_, seconds, mebibytes) => {
  expect(shown([seconds, mebibytes], [3, 40]).at(-1)).toMatch(/^fetching owner\/name \d+ MiB of 100 MiB, 2\/7 files$/);
});

it('tells a file nothing at first, and a line now and then', () => {
  const io = fakeIo();
  let now = 0;
  const status = new DownloadStatus(io, 'owner/name', () => now);
  for (now = 0; now <= 10_000; now += 2500) {
    status.update({ bytes: now, totalBytes: 20_000, files: 0, totalFiles: 1 });
  }
  status.clear();
  expect(io.err()).toMatch(/^fetching .*4\.9 KiB of .*\nfetching .*9\.8 KiB of .*\n$/);
});

it('measures by a clock that never goes back where none is given', () => {
  vi.useFakeTimers({ toFake: ['performance'] });
  const io = fakeIo({ terminal: true });
  const status = new DownloadStatus(io, 'owner/name');
  status.update({ bytes: 0, totalBytes: 3 * MIB, files: 0, totalFiles: 1 });
  vi.advanceTimersByTime(2000);
  status.update({ bytes: 2 * MIB, totalBytes: 3 * MIB, files: 0, totalFiles: 1 });
  expect(io.err()).toMatch(/1\.0 MiB\/s, 1\.0 s left$/);
});
