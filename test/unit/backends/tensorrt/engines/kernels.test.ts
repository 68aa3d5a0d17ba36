import { chmodSync, existsSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { EngineCache } from '../../../../../src/backends/tensorrt/engines/engine-cache.js';
import { sha256 } from '../../../../../src/backends/tensorrt/engines/engine-file.js';
import {
  kernelCachePath,
  readKernels,
  writeKernels,
} from '../../../../../src/backends/tensorrt/engines/kernel-cache.js';
import { KernelKeeper } from '../../../../../src/backends/tensorrt/kernel-keeper.js';
import type { NativeRuntimeCaches } from '../../../../../src/backends/tensorrt/native.js';
import type { ModelDescription } from '../../../../../src/model/description.js';
import { describeModel } from '../../../../../src/model/layout.js';
import { fixture, tinyJob } from '../../../../contract/tiny-jobs.js';
import { engineFolder, headerOf, SERIALIZED } from '../../../../support/engines.js';
import { ScriptedNative } from '../scripted-native.js';

const HASH = sha256(SERIALIZED);
const KERNELS = Uint8Array.of(1, 2, 3);

describe('compiled kernels', () => {
  let engine: string;
  beforeEach(() => {
    engine = join(engineFolder(), 'unet.engine.of-mine.engine');
  });

  it('lie beside their engine, its owner’s alone, and are given to whoever has the same engine', async () => {
    await writeKernels(engine, HASH, KERNELS);
    const path = kernelCachePath(engine);
    expect(path).toBe(engine.replace('of-mine.engine', 'of-mine.kernels'));
    expect(await readKernels(engine, HASH)).toEqual(KERNELS);
    expect(await readKernels(engine, HASH.replace(/^./, 'x'))).toBeNull();
    expect(await readKernels(engine.replace('mine', 'yours'), HASH)).toBeNull();
  });

  it.each<[string, (path: string) => void]>([
    ['damaged', (path) => writeFileSync(path, readFileSync(path).fill(7, 42))],
    ['another kind of file', (path) => writeFileSync(path, readFileSync(path).fill(7, 0, 1))],
    ['cut off', (path) => truncateSync(path, 42)],
    ['cut off before the first of them', (path) => truncateSync(path, 40)],
    ['empty', (path) => truncateSync(path, 0)],
    ['too large', (path) => truncateSync(path, 2 ** 30 + 1)],
    ['writable by everybody', (path) => chmodSync(path, 0o666)],
  ])('that are %s are compiled again', async (_, spoil) => {
    await writeKernels(engine, HASH, KERNELS);
    spoil(kernelCachePath(engine));
    expect(await readKernels(engine, HASH)).toBeNull();
  });

  it('that are none at all are nothing to begin with', async () => {
    await writeKernels(engine, HASH, new Uint8Array(0));
    expect(await readKernels(engine, HASH)).toBeNull();
  });

  it('go with their engine', async () => {
    const cache = new EngineCache(engineFolder());
    const { path } = await cache.publish({ header: headerOf(), serialized: SERIALIZED });
    await writeKernels(path, HASH, KERNELS);
    await cache.remove(path);
    expect([path, kernelCachePath(path)].map(existsSync)).toEqual([false, false]);
    await cache.remove(path);
  });
});

describe('a session’s kernels', () => {
  const network = <T>(textEncoder: T, unet: T, vaeDecoder: T) => ({ textEncoder, unet, vaeDecoder });
  const hashes = network('a', 'b', 'c');
  let model: ModelDescription;
  let files: Record<'textEncoder' | 'unet' | 'vaeDecoder', string>;
  let compiled: NativeRuntimeCaches;
  let asked: number;
  beforeAll(async () => {
    model = await describeModel(fixture('tiny'));
  });
  beforeEach(() => {
    const dir = engineFolder();
    files = network(join(dir, 'a.engine'), join(dir, 'b.engine'), join(dir, 'c.engine'));
    compiled = network<Uint8Array | null>(null, KERNELS, null);
    asked = 0;
  });
  const keeper = (known: NativeRuntimeCaches = network(null, null, null)) => {
    const native = new ScriptedNative();
    vi.spyOn(native, 'runtimeCaches').mockImplementation(async () => {
      asked++;
      return compiled as never;
    });
    return new KernelKeeper(native, files, hashes, known);
  };
  const job = (latentSize = 4, guidanceScale = 5) => tinyJob(model, { latentSize, guidanceScale });

  it('are kept after a job, for its engine, where it compiles any', async () => {
    const kept = keeper();
    kept.after(job(), 1);
    await kept.idle();
    expect(await readKernels(files.unet, 'b')).toEqual(KERNELS);
    expect([files.textEncoder, files.vaeDecoder].map((path) => existsSync(kernelCachePath(path)))).toEqual([
      false,
      false,
    ]);
  });

  it('are asked for once for each number of images, size and way of guidance', async () => {
    const kept = keeper();
    for (let round = 0; round < 2; round++) {
      kept.after(job(), 1);
      kept.after(job(), 2);
      kept.after(job(6), 1);
      kept.after({ ...job(), latentHeight: 6 }, 1);
      kept.after(job(4, 1), 1);
    }
    await kept.idle();
    expect(asked).toBe(5);
  });

  it('are written again where they grew alone', async () => {
    const kept = keeper();
    kept.after(job(), 1);
    await kept.idle();
    writeFileSync(kernelCachePath(files.unet), 'as it was');
    kept.after(job(6), 1);
    await kept.idle();
    expect(readFileSync(kernelCachePath(files.unet), 'utf8')).toBe('as it was');
    compiled = network<Uint8Array | null>(null, Uint8Array.of(1, 2, 3, 4), null);
    kept.after(job(8), 1);
    await kept.idle();
    expect(await readKernels(files.unet, 'b')).toHaveLength(4);
  });

  it('are not written again where the session was opened with them', async () => {
    const kept = keeper(compiled);
    kept.after(job(), 1);
    await kept.idle();
    expect([asked, existsSync(kernelCachePath(files.unet))]).toEqual([1, false]);
  });

  it('that cannot be kept are no failure, and are tried with the next shape', async () => {
    files = { ...files, unet: join(engineFolder(), 'gone', 'b.engine') };
    const kept = keeper();
    kept.after(job(), 1);
    await kept.idle();
    kept.after(job(6), 1);
    await kept.idle();
    expect(asked).toBe(2);
  });
});
