import { describe, expect, it } from 'vitest';
import { readProfileFlags } from '../../../src/cli/build-engine/profile-flags.js';

const model = { vaeFactor: 8, fixedSize: null, sizeGranularity: 16, nativeSize: 128 };
const fixed = { ...model, fixedSize: { width: 128, height: 64 } };

const shape = (batch: number, height: number, width: number) => ({ batch, height, width });

describe('the profile of an engine', () => {
  it.each([
    ['1x16x16', [shape(1, 16, 16), shape(1, 16, 16), shape(1, 16, 16)]],
    ['1x16x16,4x16X32', [shape(1, 16, 16), shape(4, 16, 32), shape(4, 16, 32)]],
    ['1x8x8, 2x16x16, 4x32x32', [shape(1, 8, 8), shape(2, 16, 16), shape(4, 32, 32)]],
  ])('reads --profile %s', (profile, [min, opt, max]) => {
    expect(readProfileFlags({ profile }, model)).toEqual({ profile: { min, opt, max } });
  });

  it.each([
    [{ batch: '1..4', size: '128' }, shape(1, 16, 16), shape(4, 16, 16)],
    [{ batch: '3' }, shape(3, 16, 16), shape(3, 16, 16)],
    [{ size: '64x32' }, shape(1, 4, 8), shape(1, 4, 8)],
  ])('reads %j', (flags, min, max) => {
    expect(readProfileFlags(flags, model)).toEqual({ profile: { min, opt: max, max } });
  });

  it('is left to the SDK where nothing asks for one', () => {
    expect(readProfileFlags({}, model)).toEqual({ profile: undefined });
  });

  it('takes a fixed model for its one size', () => {
    expect(readProfileFlags({ batch: '2' }, fixed)).toMatchObject({ profile: { max: shape(2, 8, 16) } });
    expect(readProfileFlags({ profile: '1x16x16' }, fixed)).toMatchObject({
      issues: [{ option: '--profile', expected: expect.stringContaining('128x64 pixels (8x16 latent pixels)') }],
    });
    expect(readProfileFlags({ size: '128' }, fixed)).toMatchObject({ issues: [{ option: '--size' }] });
  });

  it.each([
    '',
    '16x16',
    '1x16x16x16',
    '1x16x16,',
    '1x16x-16',
    '0x16x16',
    '1x15x16',
    '1x0x16',
    '101x16x16',
    '1x16x1024',
    '4x16x16,1x16x16',
    '1x16x16,2x8x16',
    '1x2x2,1x4x4,1x6x6,1x8x8',
    'all',
  ])('refuses --profile %j by name', (profile) => {
    expect(readProfileFlags({ profile }, model)).toMatchObject({ issues: [{ option: '--profile' }] });
  });

  it.each([
    [{ batch: '4..1' }, ['--batch']],
    [{ batch: '0..2' }, ['--batch']],
    [{ batch: '1..1000' }, ['--batch']],
    [{ batch: 'many', size: 'big' }, ['--batch', '--size']],
    [{ size: '8' }, ['--size']],
    [{ size: '100x128' }, ['--size']],
    [{ size: '8192' }, ['--size']],
  ])('refuses %j, everything at once', (flags, options) => {
    const read = readProfileFlags(flags, model);
    expect('issues' in read && read.issues.map(({ option }) => option)).toEqual(options);
  });

  it('is told one way or the other', () => {
    expect(readProfileFlags({ profile: '1x16x16', size: '128' }, model)).toMatchObject({
      issues: [{ received: '--profile and --size' }],
    });
  });
});
