import { readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { HubCache } from '../../../src/hub/cache.js';
import type { PullProgress } from '../../../src/hub/pull.js';
import {
  at,
  blobs,
  expectWhole,
  flowers,
  folder,
  freshHub,
  MODEL,
  pull,
  settings,
  sha256,
  WEIGHTS,
} from './pulling.js';

freshHub();

describe('a pull', () => {
  it('lays a model into the cache of Hugging Face, by hash, with links and a ref', async () => {
    const { dir, commit, files, fetched, bytes } = await pull();
    expect(commit).toBe(flowers().head.id);
    expect(dir).toBe(join(folder(), 'snapshots', commit));
    expect(readFileSync(join(folder(), 'refs/main'), 'utf8')).toBe(commit);
    expect(readlinkSync(join(dir, 'unet/model.weights'))).toBe(`../../../blobs/${sha256(WEIGHTS)}`);
    expect([files, fetched]).toEqual([Object.keys(MODEL).length, Object.keys(MODEL).length]);
    expect(blobs()).toHaveLength(files);
    expect(bytes).toBeGreaterThan(WEIGHTS.length);
    await expectWhole(dir);
  });

  it('fetches nothing that is there', async () => {
    await pull();
    const before = at.hub.objects.requests.length;
    expect(await pull()).toMatchObject({ fetched: 0 });
    expect(at.hub.objects.requests.length).toBe(before);
  });

  it('fetches a damaged file again where it is to verify', async () => {
    const { dir } = await pull();
    const damaged = Buffer.from(WEIGHTS).fill('x', 0, 10);
    writeFileSync(join(folder(), 'blobs', sha256(WEIGHTS)), damaged);
    expect(await pull()).toMatchObject({ fetched: 0 });
    expect(await pull('tester/flowers', { verify: true })).toMatchObject({ fetched: 1 });
    expect(readFileSync(join(dir, 'unet/model.weights')).equals(WEIGHTS)).toBe(true);
  });

  it('takes a tag, a commit, and the commit that a branch means now', async () => {
    const repository = flowers();
    const first = repository.head.id;
    repository.tags.set('v1', first);
    await pull();
    at.hub.add('tester/flowers', { 'unet/model.weights': Buffer.from('second weights') });
    expect((await pull()).commit).toBe(repository.head.id);
    expect((await pull('tester/flowers@v1')).commit).toBe(first);
    expect((await pull(`tester/flowers@${first}`)).commit).toBe(first);
    expect(await new HubCache(settings().cache).list()).toMatchObject([
      { repo: 'tester/flowers', refs: repository.head.id < first ? ['main'] : ['v1'] },
      { repo: 'tester/flowers', refs: repository.head.id < first ? ['v1'] : ['main'] },
    ]);
    await expect(pull('tester/flowers@v2')).rejects.toMatchObject({ code: 'REMOTE_NOT_FOUND' });
  });

  it('reads a list of files that comes in pages', async () => {
    at.hub.pageSize = 3;
    await expectWhole((await pull()).dir);
  });

  it('fetches four files at a time, not more', async () => {
    // 16 large files, of which each waits until four of them are asked for.
    for (let part = 0; part < 12; part++)
      at.hub.add('tester/flowers', { [`unet/part-${part}.weights`]: `weights ${part}` });
    const waiting: (() => void)[] = [];
    const counts: number[] = [];
    at.hub.objects.fail(
      /GET/,
      async (_, __, normal) => {
        const turn = new Promise<void>((resolve) => waiting.push(resolve));
        if (waiting.length === 4) {
          // Time for one more to come.
          for (let turn = 0; turn < 200; turn++) await new Promise(setImmediate);
          counts.push(waiting.length);
          for (const go of waiting.splice(0)) go();
        }
        await turn;
        await normal();
      },
      16,
    );
    await pull();
    expect(counts).toEqual([4, 4, 4, 4]);
  });

  it('takes a model that has graphs alone', async () => {
    const graphs = ['text_encoder', 'unet', 'vae_decoder'].map((network) => [`${network}/model.onnx`, network]);
    at.hub.add('tester/bare', Object.fromEntries(graphs));
    expect(await pull('tester/bare')).toMatchObject({ files: 3, fetched: 3 });
  });

  it('puts graphs in place last, so that a snapshot that has them has all', async () => {
    const linked = vi.spyOn(HubCache.prototype, 'link');
    onTestFinished(() => linked.mockRestore());
    await pull();
    const paths = linked.mock.calls.map(([, , path]) => path);
    expect(paths.toSorted()).toEqual(Object.keys(MODEL).toSorted());
    expect(paths.slice(-3).toSorted()).toEqual(paths.filter((path) => path.endsWith('.onnx')).toSorted());
  });

  it('that is not to ask the network says what to do', async () => {
    await expect(pull('tester/flowers', { hub: settings({ HF_HUB_OFFLINE: '1' }) })).rejects.toMatchObject({
      code: 'NETWORK_FAILED',
      hint: expect.stringContaining('t2i models'),
    });
  });

  it('tells how far it is, up to all of it', async () => {
    const told: PullProgress[] = [];
    const { bytes, files } = await pull('tester/flowers', { onProgress: (progress) => told.push(progress) });
    expect(told.at(-1)).toEqual({ bytes, totalBytes: bytes, files, totalFiles: files });
    expect(told.every((each, index) => each.bytes >= (told[index - 1]?.bytes ?? 0))).toBe(true);
  });
});
