import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { at, blobs, folder, freshHub, MODEL, OBJECT, pull, sha256, WEIGHTS } from './pulling.js';

const disk = vi.hoisted(() => ({ free: 0 }));
vi.mock('node:fs/promises', async (original) => ({
  ...(await original<typeof import('node:fs/promises')>()),
  statfs: async () => ({ bavail: disk.free / 4, bsize: 4 }),
}));

freshHub();

/** Bytes of the whole model, of which nothing is there afterwards. */
async function needed(): Promise<number> {
  disk.free = Number.MAX_SAFE_INTEGER;
  const { bytes } = await pull();
  rmSync(join(at.home, 'hub'), { recursive: true });
  at.hub.objects.requests.length = 0;
  return bytes;
}

describe('a disk', () => {
  it('that lacks the space is not filled', async () => {
    const bytes = await needed();
    disk.free = bytes - 4;
    await expect(pull()).rejects.toMatchObject({
      code: 'IO_FAILED',
      message: `${join(at.home, 'hub')} has ${disk.free} bytes free, and tester/flowers needs ${bytes} more`,
      hint: expect.stringContaining('t2i models'),
    });
    expect(at.hub.objects.requests).toEqual([]);
    expect(readdirSync(join(at.home, 'hub'))).toEqual([]);
  });

  it('that has just the space is', async () => {
    disk.free = await needed();
    expect(await pull()).toMatchObject({ fetched: Object.keys(MODEL).length });
  });

  it('needs space for what is not there yet alone', async () => {
    disk.free = Number.MAX_SAFE_INTEGER;
    await pull();
    disk.free = WEIGHTS.length;
    rmSync(join(folder(), 'blobs', sha256(WEIGHTS)));
    expect(await pull()).toMatchObject({ fetched: 1 });
    expect(at.hub.objects.asked(OBJECT)).toHaveLength(2);
    expect(blobs()).toContain(sha256(WEIGHTS));
  });
});
