import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { lockToken, withFileLock } from '../../src/file-lock.js';
import { engineFolder, failure } from '../support/engines.js';

const { signal } = new AbortController();
const control = { signal, onWait: () => {} };
const lockPath = () => join(engineFolder(), 'unet.lock');
const deadPid = () => spawnSync(process.execPath, ['-e', '']).pid;

afterEach(() => void vi.useRealTimers());

describe('a file lock', () => {
  it('lets one in after the other', async () => {
    const path = lockPath();
    let [inside, most, waits] = [0, 0, 0];
    const work = async () => {
      most = Math.max(most, ++inside);
      await vi.waitUntil(() => waits === 4, { timeout: 50_000, interval: 1 });
      inside--;
    };
    await Promise.all(Array.from({ length: 5 }, () => withFileLock(path, { signal, onWait: () => waits++ }, work)));
    expect([inside, most, waits]).toEqual([0, 1, 4]);
    expect(readdirSync(join(path, '..'))).toEqual([]);
  });

  it('names its owner while it is held, and goes with an error', async () => {
    const path = lockPath();
    const work = async () => {
      expect(readFileSync(path, 'utf8')).toMatch(new RegExp(`^${process.pid}-[0-9a-f]{16} [0-9a-f]{16}\n$`));
      expect((statSync(path).mode & 0o777).toString(8)).toBe('600');
      throw new Error('work failed');
    };
    await expect(withFileLock(path, control, work)).rejects.toThrow('work failed');
    expect(existsSync(path)).toBe(false);
  });

  it.each([
    ['a process that is dead', () => lockToken(deadPid()), new Date()],
    ['a process that has not touched it for long', () => lockToken(process.pid), new Date(Date.now() - 120_000)],
    ['nobody', () => '', new Date()],
  ])('is taken over from %s', async (_, content, touched) => {
    const path = lockPath();
    writeFileSync(path, content());
    utimesSync(path, touched, touched);
    expect(await withFileLock(path, control, async () => 'done')).toBe('done');
    expect(readdirSync(join(path, '..'))).toEqual([]);
  });

  it('is taken over by one alone', async () => {
    const path = lockPath();
    writeFileSync(path, lockToken(deadPid()));
    let [inside, most] = [0, 0];
    const work = async () => {
      most = Math.max(most, ++inside);
      await setImmediate();
      inside--;
    };
    await Promise.all(Array.from({ length: 8 }, () => withFileLock(path, control, work)));
    expect(most).toBe(1);
  });

  it.each([
    ['lives', () => lockToken(process.pid)],
    [
      'is of another container, where ids mean other processes',
      () => `${deadPid()}-0123456789abcdef 0123456789abcdef\n`,
    ],
  ])('stays with one that %s, until the waiting one gives up', async (_, content) => {
    const path = lockPath();
    const token = content();
    writeFileSync(path, token);
    const controller = new AbortController();
    const onWait = () => controller.abort(new Error('enough'));
    const waiting = withFileLock(path, { signal: controller.signal, onWait }, async () => 'never');
    await expect(waiting).rejects.toThrow('enough');
    expect(readFileSync(path, 'utf8')).toBe(token);
    expect(readdirSync(join(path, '..'))).toEqual(['unet.lock']);
  });

  it('is given back where the caller gave up meanwhile, without any work', async () => {
    const path = lockPath();
    const work = vi.fn();
    const given = { signal: AbortSignal.abort('enough'), onWait: () => {} };
    await expect(withFileLock(path, given, work)).rejects.toBe('enough');
    expect(work).not.toHaveBeenCalled();
    expect(readdirSync(join(path, '..'))).toEqual([]);
  });

  it.each([
    ['ends', async () => {}],
    ['fails', async () => Promise.reject(new Error('work failed'))],
  ])('is touched by its owner for as long as the work lasts, and no longer where it %s', async (_, end) => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    const path = lockPath();
    const work = async () => {
      for (let i = 0; i < 2; i++) {
        utimesSync(path, 0, 0);
        vi.advanceTimersByTime(10_000);
        await vi.waitUntil(() => statSync(path).mtimeMs > 0, { timeout: 50_000, interval: 1 });
      }
      await end();
    };
    await withFileLock(path, control, work).catch(() => {});
    expect(vi.getTimerCount()).toBe(0);
    expect(existsSync(path)).toBe(false);
  });

  it('is not removed by one that lost it', async () => {
    const path = lockPath();
    await withFileLock(path, control, async () => writeFileSync(path, 'another'));
    expect(readFileSync(path, 'utf8')).toBe('another');
  });

  it('says where it cannot be made', async () => {
    const path = join(engineFolder(), 'missing', 'unet.lock');
    expect(await failure(withFileLock(path, control, async () => {}))).toMatchObject({
      code: 'IO_FAILED',
      message: expect.stringContaining(path),
      hint: expect.stringContaining('disk that has space'),
      cause: { code: 'ENOENT' },
    });
  });
});
