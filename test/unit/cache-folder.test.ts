import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { cacheFolder } from '../../src/cache-folder.js';

vi.mock(import('node:os'), async (original) => {
  const own = await original();
  return { ...own, homedir: vi.fn(own.homedir) };
});

afterEach(() => void vi.restoreAllMocks());

describe('the cache folder', () => {
  it.each([
    ['T2I_CACHE before all others', { T2I_CACHE: '/a', XDG_CACHE_HOME: '/b' }, '/a/t2i'],
    ['XDG_CACHE_HOME', { XDG_CACHE_HOME: '/b' }, '/b/t2i'],
    ['XDG_CACHE_HOME where the other is empty', { T2I_CACHE: '', XDG_CACHE_HOME: '/b' }, '/b/t2i'],
    ['the home folder', {}, join(homedir(), '.cache', 't2i')],
    ['the working folder, for what is relative', { T2I_CACHE: 'x' }, resolve('x', 't2i')],
  ])('is below %s', (_, env, folder) => {
    expect(cacheFolder(env)).toBe(folder);
  });

  it('is said to be missing where the user has no home, with the variable that helps', () => {
    vi.mocked(homedir).mockImplementation(() => {
      throw new Error('ENOENT: uv_os_homedir');
    });
    expect(() => cacheFolder({})).toThrow(
      expect.objectContaining({
        code: 'IO_FAILED',
        message: expect.stringContaining('no home folder: ENOENT'),
        hint: expect.stringContaining('T2I_CACHE'),
        cause: expect.any(Error),
      }),
    );
    expect(cacheFolder({ T2I_CACHE: '/a' })).toBe('/a/t2i');
  });
});
