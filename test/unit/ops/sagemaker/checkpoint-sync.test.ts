import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { S3Store } from '../../../../src/aws/s3-store.js';
import { CheckpointSync } from '../../../../src/ops/sagemaker/local/checkpoint-sync.js';
import { MemoryBucket } from '../../../support/memory-bucket.js';

const { signal } = new AbortController();
const ADDRESS = { bucket: 'flowers', key: 'checkpoints' };
/** No look comes by itself between the first and the last. */
const NEVER = 3_600_000;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 't2i-checkpoints-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const write = (path: string, text: string) => {
  mkdirSync(join(folder, path, '..'), { recursive: true });
  writeFileSync(join(folder, path), text);
};

describe('the checkpoints of a host', () => {
  let bucket: MemoryBucket;
  let store: S3Store;
  beforeEach(async () => {
    bucket = new MemoryBucket();
    for (const path of ['old', 'deep/kept', 'deep/gone']) bucket.put(`checkpoints/${path}`, path);
    store = await bucket.store();
  });
  afterEach(() => store.close());

  const started = async (every = NEVER) => {
    const sync = new CheckpointSync(store, folder, ADDRESS, every);
    await sync.start(signal);
    return sync;
  };

  it('are those of S3 at its start', async () => {
    const sync = await started();
    expect(readFileSync(join(folder, 'deep/kept'), 'utf8')).toBe('deep/kept');
    await sync.stop();
    expect(bucket.written).toEqual([]);
    expect(bucket.keys()).toEqual(['checkpoints/deep/gone', 'checkpoints/deep/kept', 'checkpoints/old']);
  });

  it('are copied when they are new or changed, and removed when they are gone', async () => {
    const sync = await started();
    write('old', 'changed');
    write('step-2/weights', 'new');
    rmSync(join(folder, 'deep/gone'));
    await sync.stop();
    expect(bucket.written.sort()).toEqual(['checkpoints/old', 'checkpoints/step-2/weights']);
    expect(bucket.keys()).toEqual(['checkpoints/deep/kept', 'checkpoints/old', 'checkpoints/step-2/weights']);
    expect(bucket.text('checkpoints/old')).toBe('changed');
    expect(bucket.objects.get('checkpoints/old')?.metadata?.sha256).toMatch(/^[0-9a-f]{64}$/);
  });

  it('are copied while they are worked on', async () => {
    const sync = await started(1);
    write('step-2', 'new');
    await vi.waitUntil(() => bucket.text('checkpoints/step-2') === 'new', { timeout: 30_000 });
    rmSync(join(folder, 'step-2'));
    await vi.waitUntil(() => !bucket.objects.has('checkpoints/step-2'), { timeout: 30_000 });
    await sync.stop();
    expect(bucket.written).toEqual(['checkpoints/step-2']);
  });

  it('stay as they are in S3 where the machine is gone', async () => {
    const sync = await started(1);
    await sync.abandon();
    write('old', 'changed');
    rmSync(join(folder, 'deep'), { recursive: true });
    await sleep(20);
    expect(bucket.keys()).toHaveLength(3);
    expect(bucket.text('checkpoints/old')).toBe('old');
  });

  it('that are renamed while they are copied come under their new names alone', async () => {
    const sync = await started();
    // Each write removes the other one, so that one of both cannot be read any more.
    write('first', 'x');
    write('second', 'x');
    const { write: send } = store;
    Object.assign(store, {
      write(...args: Parameters<typeof send>) {
        rmSync(join(folder, args[0].key.endsWith('first') ? 'second' : 'first'));
        return send.apply(store, args);
      },
    });
    await sync.stop();
    expect(bucket.written).toHaveLength(1);
    expect(bucket.keys()).toHaveLength(4);
  });

  it('are gone with their folder', async () => {
    const sync = await started();
    const remove = vi.spyOn(store, 'remove');
    rmSync(folder, { recursive: true });
    await sync.stop();
    expect(bucket.keys()).toEqual([]);
    // Folders are none of S3's objects.
    expect(remove.mock.calls.flatMap(([, keys]) => keys)).toHaveLength(3);
  });

  it('that cannot be sent are told at the end, and end nothing before', async () => {
    const away = vi.fn(() => Promise.reject(new Error('S3 is away')));
    Object.assign(store, { write: away });
    const sync = await started(1);
    write('step-1', 'weights');
    await vi.waitUntil(() => away.mock.calls.length > 0, { timeout: 30_000 });
    // An error that nobody listens for would end the process now.
    await turn();
    await expect(sync.stop()).rejects.toThrow('S3 is away');
  });
});
