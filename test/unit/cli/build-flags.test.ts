import { isAbsolute } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readBuildFlags } from '../../../src/cli/build-engine/flags.js';
import { readProfileFlags } from '../../../src/cli/build-engine/profile-flags.js';
import type { CommandInput } from '../../../src/cli/command.js';
import type { RequestLimits } from '../../../src/options.js';
import { LIMITS } from '../../support/request-limits.js';

const limits: RequestLimits = { ...LIMITS, sizeGranularity: 16 };
const SIZE = { width: 128, height: 64 };
const fixed = { ...limits, nativeSize: SIZE, fixedSize: SIZE };
const read = (flags: CommandInput['flags'], of = limits) => readProfileFlags(flags, of, 8);

const shape = (batch: number, height: number, width: number) => ({ batch, height, width });

describe('a timing cache', () => {
  const issuesOf = (flags: CommandInput['flags']) => readBuildFlags(flags, limits, 8).issues;

  it('is for TensorRT alone', () => {
    expect(issuesOf({ timingCache: '/tmp/timings.bin', runtime: 'tensorrt' })).toEqual([]);
    for (const flags of [{ runtime: 'tensorrt-rtx' }, { compute: '89' }]) {
      expect(issuesOf({ timingCache: '/tmp/timings.bin', ...flags })).toMatchObject([{ option: '--timing-cache' }]);
    }
  });
});

describe('a report', () => {
  const issuesOf = (flags: CommandInput['flags']) => readBuildFlags(flags, limits, 8).issues;

  it('is a file, of what was built', () => {
    expect(issuesOf({ report: '/tmp/t2i-no-such-folder/report.json' })).toEqual([]);
    for (const report of ['', '/tmp']) expect(issuesOf({ report })).toMatchObject([{ option: '--report' }]);
    expect(issuesOf({ report: 'a.json', dryRun: true })).toMatchObject([{ expected: 'nothing with --dry-run' }]);
  });
});

describe('the profile of an engine', () => {
  it.each([
    ['1x16x16', [shape(1, 16, 16), shape(1, 16, 16), shape(1, 16, 16)]],
    ['1x16x16,4x16X32', [shape(1, 16, 16), shape(1, 16, 16), shape(4, 16, 32)]],
    ['1x8x8, 2x16x16, 4x32x32', [shape(1, 8, 8), shape(2, 16, 16), shape(4, 32, 32)]],
  ])('reads --profile %s', (profile, [min, opt, max]) => {
    expect(read({ profile })).toEqual({ profile: { min, opt, max } });
  });

  it.each([
    [{ batch: '1..4', size: '128' }, shape(1, 16, 16), shape(4, 16, 16)],
    [{ batch: '3' }, shape(3, 16, 16), shape(3, 16, 16)],
    [{ size: '64x32' }, shape(1, 4, 8), shape(1, 4, 8)],
  ])('reads %j', (flags, min, max) => {
    expect(read(flags)).toEqual({ profile: { min, opt: min, max } });
  });

  it('is left to the SDK where nothing asks for one', () => {
    expect(read({})).toEqual({ profile: undefined });
  });

  it('takes a fixed model for its one size', () => {
    expect(read({ batch: '2' }, fixed)).toMatchObject({ profile: { max: shape(2, 8, 16) } });
    expect(read({ size: '128' }, fixed)).toMatchObject({
      issues: [{ option: '--size', expected: expect.stringContaining('128x64 images only') }],
    });
  });

  it.each([
    '',
    '16x16',
    'a1x16x16',
    '1x16x16b',
    '1x16x16,1x16',
    '1x16x16x16',
    '1x16x16,',
    '1x16x-16',
    '1x2x2,1x4x4,1x6x6,1x8x8',
    'all',
  ])('refuses --profile %j by name', (profile) => {
    expect(read({ profile })).toMatchObject({ issues: [{ option: '--profile' }] });
  });

  it.each([
    [{ batch: '4..1' }, ['--batch']],
    [{ batch: '1..2..3' }, ['--batch']],
    [{ batch: 'x1' }, ['--batch']],
    [{ size: 'x128' }, ['--size']],
    [{ size: '128x128x' }, ['--size']],
    [{ batch: '0..2' }, ['--batch']],
    [{ batch: '1..1000' }, ['--batch']],
    [{ batch: 'many', size: 'big' }, ['--batch', '--size']],
    [{ batch: '1..', size: '0' }, ['--batch', '--size']],
    [{ size: '8' }, ['--size']],
    [{ size: '100x128' }, ['--size']],
    [{ size: '8192' }, ['--size']],
  ])('refuses %j, everything at once', (flags, options) => {
    const found = read(flags);
    expect('issues' in found && found.issues.map(({ option }) => option)).toEqual(options);
  });

  it('is told one way or the other', () => {
    for (const [more, both] of [
      [{ size: '128' }, '--profile and --size'],
      [{ batch: '2' }, '--profile and --batch'],
      [{ batch: '2', size: '128' }, '--profile and --batch and --size'],
    ] as const)
      expect(read({ profile: '1x16x16', ...more })).toMatchObject({
        issues: [{ option: '--profile', received: both }],
      });
  });
});

describe('the GPUs of a build', () => {
  const read = (flags: CommandInput['flags']) => readBuildFlags(flags, limits, 8);

  it.each([
    ['89,75, 86,75', [75, 86, 89]],
    ['120', [120]],
    ['50', [50]],
  ])('are read from --compute %s', (compute, numbers) => {
    expect(read({ compute })).toMatchObject({ request: { computeCapabilities: numbers }, issues: [] });
    expect(read({ compute, runtime: 'tensorrt-rtx' }).issues).toEqual([]);
  });

  it.each(['8.9', '49', '7', '1000', '', '75,', '75,x', 'sm_75'])('are not read from --compute %j', (compute) => {
    expect(read({ compute }).issues).toEqual([
      { option: '--compute', expected: expect.stringContaining('75,86,89'), received: JSON.stringify(compute) },
    ]);
  });

  it('are the one at hand for TensorRT, by its number', () => {
    expect(read({ compute: '89', runtime: 'tensorrt' }).issues).toMatchObject([
      { option: '--compute', received: '"89"' },
    ]);
    expect(read({ device: '12' })).toMatchObject({ request: { device: 12 }, issues: [] });
    for (const device of ['-1', 'one', '1234', '1x', 'x1', '']) {
      expect(read({ device }).issues).toMatchObject([{ option: '--device', received: JSON.stringify(device) }]);
    }
  });

  it('are run by a TensorRT that there is', () => {
    expect(read({ runtime: 'cuda' }).issues).toEqual([
      { option: '--runtime', expected: expect.stringContaining('tensorrt-rtx'), received: '"cuda"' },
    ]);
  });
});

describe('the paths of a build', () => {
  it.each([
    [{ out: '' }, { option: '--out', expected: 'a folder', received: 'nothing' }],
    [{ timingCache: '' }, { option: '--timing-cache', expected: 'a file', received: 'nothing' }],
    [{ out: import.meta.filename }, { option: '--out', expected: 'a folder', received: 'file' }],
    [{ timingCache: import.meta.dirname }, { option: '--timing-cache', expected: 'a file', received: 'folder' }],
    [
      { out: `${import.meta.filename}/below` },
      { option: '--out', expected: 'a folder', received: expect.stringMatching(/^ENOTDIR/) },
    ],
  ])('%j is refused', (flags, issue) => {
    expect(readBuildFlags(flags, limits, 8).issues).toEqual([issue]);
  });

  it('need not be there yet', () => {
    const flags = { out: `${import.meta.dirname}/new`, timingCache: `${import.meta.dirname}/new.bin` };
    expect(readBuildFlags(flags, limits, 8)).toMatchObject({ request: flags, issues: [] });
  });

  it('are those of the working folder where they are not whole', () => {
    const { request } = readBuildFlags({ out: 'engines', timingCache: 'a.bin', report: 'b.json' }, limits, 8);
    for (const path of [request.out, request.timingCache, request.report]) expect(isAbsolute(path ?? '')).toBe(true);
  });
});
