import { chmodSync, mkdirSync, readdirSync, readFileSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { engineCacheFolder, openCacheFolder } from '../../../../../src/backends/tensorrt/engines/cache-folder.js';
import { EngineCache, listEngines } from '../../../../../src/backends/tensorrt/engines/engine-cache.js';
import { FORMAT_VERSION } from '../../../../../src/backends/tensorrt/engines/engine-file.js';
import type { EngineHeader } from '../../../../../src/backends/tensorrt/engines/header.js';
import { type PruneOptions, pruneEngines } from '../../../../../src/backends/tensorrt/engines/prune-engines.js';
import { engineFolder, failure, headerOf, SERIALIZED } from '../../../../support/engines.js';

const DAYS_AGO = new Date(Date.now() - 2 * 24 * 60 * 60 * 1000);

async function publish(cache: EngineCache, fields: Parameters<typeof headerOf>[0] = {}): Promise<string> {
  return (await cache.publish({ header: headerOf(fields), serialized: SERIALIZED })).path;
}

describe('the folder of the cache', () => {
  it('comes from the environment', () => {
    expect(engineCacheFolder({ T2I_ENGINE_CACHE: '/a', T2I_CACHE: '/b', XDG_CACHE_HOME: '/c' })).toBe('/a');
    expect(engineCacheFolder({ T2I_ENGINE_CACHE: '', T2I_CACHE: '/b', XDG_CACHE_HOME: '/c' })).toBe('/b/t2i/engines');
    expect(engineCacheFolder({ XDG_CACHE_HOME: '/c' })).toBe('/c/t2i/engines');
    expect(engineCacheFolder({})).toBe(join(homedir(), '.cache/t2i/engines'));
  });

  it("is made as its owner's alone, and refused where everybody may write", async () => {
    const dir = join(engineFolder(), 'a', 'b');
    await openCacheFolder(dir);
    expect((await stat(dir)).mode & 0o777).toBe(0o700);
    chmodSync(dir, 0o777);
    const error = await failure(openCacheFolder(dir));
    expect(error.code).toBe('IO_FAILED');
    expect(error.hint).toContain(`chmod o-w ${dir}`);
    chmodSync(dir, 0o1777);
    await openCacheFolder(dir);
    writeFileSync(join(dir, 'file'), '');
    const unusable = await failure(openCacheFolder(join(dir, 'file', 'x')));
    expect(unusable).toMatchObject({ code: 'IO_FAILED', hint: expect.stringContaining('T2I_ENGINE_CACHE') });
    expect([unusable.cause, unusable.message]).toEqual([expect.any(Error), expect.not.stringContaining('everybody')]);
  });
});

describe('the engine cache', () => {
  it('finds what was published, by everything that decides', async () => {
    const cache = new EngineCache(engineFolder());
    const path = await publish(cache);
    expect(path).toMatch(/\/unet-[0-9a-f]{64}\.engine$/);
    expect(await cache.find(headerOf())).toEqual({ path, header: headerOf() });
    expect(await cache.find(headerOf({ tensorrt: '10.15.2' }))).toBeNull();
    expect(await new EngineCache(join(cache.dir, 'missing')).find(headerOf())).toBeNull();
  });

  it('replaces the engine of the same identity', async () => {
    const cache = new EngineCache(engineFolder());
    const path = await publish(cache, { accuracy: null });
    expect(await publish(cache)).toBe(path);
    expect((await cache.find(headerOf()))?.header.accuracy?.similarity).toBe(0.9999);
    expect(readdirSync(cache.dir)).toHaveLength(1);
  });

  it('stays in its folder, whatever a header holds', () => {
    const cache = new EngineCache('relative/folder');
    const identity = { ...headerOf(), tensorrt: '../../..', onnx: { file: '../x', sha256: '/etc' }, gpu: '/..' };
    expect(cache.pathOf(identity)).toMatch(/\/relative\/folder\/unet-[0-9a-f]{64}\.engine$/);
  });

  it('follows no links', async () => {
    const [cache, other] = [new EngineCache(engineFolder()), new EngineCache(engineFolder())];
    const path = await publish(other);
    symlinkSync(path, cache.pathOf(headerOf()));
    expect((await failure(cache.find(headerOf()))).message).toContain('cannot be opened');
    expect(await listEngines(cache.dir)).toMatchObject([{ damage: { code: 'ENGINE_INVALID' } }]);
  });

  it('lists engines, and damaged ones with the reason', async () => {
    const cache = new EngineCache(engineFolder());
    const whole = await publish(cache, { component: 'vae_decoder' });
    const damaged = await publish(cache);
    const bytes = readFileSync(damaged);
    bytes[bytes.length - 9]! ^= 1;
    writeFileSync(damaged, bytes);
    writeFileSync(join(cache.dir, 'notes.txt'), '');
    writeFileSync(join(cache.dir, `unet-${'a'.repeat(64)}.engine.bak`), '');
    expect(await listEngines(cache.dir)).toMatchObject([
      {
        path: damaged,
        bytes: bytes.length,
        damage: { code: 'ENGINE_INVALID', message: expect.stringContaining('damaged') },
      },
      { path: whole, bytes: bytes.length + 7, header: { component: 'vae_decoder' } },
    ]);
    expect(await listEngines(join(cache.dir, 'missing'))).toEqual([]);
  });

  it('offers the engines of a component, the last written first, with what is wrong with each', async () => {
    const cache = new EngineCache(engineFolder());
    const old = await publish(cache, { tensorrt: '10.14.0' });
    utimesSync(old, DAYS_AGO, DAYS_AGO);
    const path = await publish(cache);
    await publish(cache, { component: 'vae_decoder' });
    const header = headerOf();
    const wanted = { ...header, onnxSha256: header.onnx.sha256, exactly: null };
    expect(await cache.candidates(wanted)).toMatchObject([
      { path, header, reasons: [] },
      {
        path: old,
        header: headerOf({ tensorrt: '10.14.0' }),
        reasons: ['built for TensorRT 10.14.0, this is 10.15.1'],
      },
    ]);
    expect(await cache.fitting(wanted)).toMatchObject([{ path }]);
    utimesSync(path, new Date(0), new Date(0));
    expect((await cache.candidates(wanted)).map((each) => each.path)).toEqual([old, path]);
  });

  it('passes over what it cannot read, as no candidate', async () => {
    const cache = new EngineCache(engineFolder());
    const path = await publish(cache);
    writeFileSync(path, 'T2IENGIN');
    expect(await cache.candidates({ ...headerOf(), onnxSha256: headerOf().onnx.sha256, exactly: null })).toEqual([]);
  });
});

describe('pruning', () => {
  const KNOWN: PruneOptions = {
    installed: [{ runtime: 'tensorrt', version: '10.15.1' }],
    models: [
      { name: 'tiny', onnx: [headerOf().onnx.sha256, '12'.repeat(32)] },
      { name: 'small', onnx: ['34'.repeat(32)] },
    ],
    dryRun: false,
  };

  async function filled() {
    const cache = new EngineCache(engineFolder());
    const changed: Partial<EngineHeader> = { onnx: { file: 'model.onnx', sha256: 'cd'.repeat(32) } };
    const stale = {
      version: await publish(cache, { tensorrt: '10.14.0' }),
      model: await publish(cache, changed),
      damaged: await publish(cache, { precision: 'fp32' }),
    };
    writeFileSync(stale.damaged, 'T2IENGIN');
    const leftovers = [`.unet-${'a'.repeat(64)}.engine.0123456789ab.tmp`, `unet-${'b'.repeat(64)}.lock`];
    for (const name of leftovers) {
      writeFileSync(join(cache.dir, name), '');
      utimesSync(join(cache.dir, name), DAYS_AGO, DAYS_AGO);
    }
    const kept = [
      await publish(cache),
      await publish(cache, { onnx: { file: 'model.onnx', sha256: 'ef'.repeat(32) }, model: 'another' }),
      await publish(cache, { runtime: 'tensorrt-rtx', tensorrt: '1.7.1' }),
      // Of a model that was renamed.
      await publish(cache, { onnx: { file: 'model.onnx', sha256: '34'.repeat(32) } }),
      await publish(cache, { component: 'vae_decoder' }),
    ];
    const ofTomorrow = readFileSync(kept.at(-1) as string);
    ofTomorrow.writeUInt32LE(FORMAT_VERSION + 1, 8);
    writeFileSync(kept.at(-1) as string, ofTomorrow);
    for (const name of ['.engine.0123456789ab.tmp', `unet-${'c'.repeat(64)}.lock`]) {
      writeFileSync(join(cache.dir, name), '');
      kept.push(join(cache.dir, name));
    }
    const lock = `unet-${'d'.repeat(64)}.lock`;
    const others = ['notes.txt', '.profile', 'mine.engine.0123456789ab.tmp', '.unet.engine.0123456789ab.tmp.old'];
    for (const name of [...others, `.${lock}`, `${lock}.old`]) {
      writeFileSync(join(cache.dir, name), '');
      utimesSync(join(cache.dir, name), DAYS_AGO, DAYS_AGO);
      kept.push(join(cache.dir, name));
    }
    mkdirSync(join(cache.dir, 'folder'));
    kept.push(join(cache.dir, 'folder'));
    return {
      dir: cache.dir,
      stale: [...Object.values(stale), ...leftovers.map((name) => join(cache.dir, name))],
      kept,
    };
  }

  it('removes what nobody can use any more, says why, and keeps the rest', async () => {
    const { dir, stale, kept } = await filled();
    const dry = await pruneEngines(dir, { ...KNOWN, dryRun: true });
    expect(dry.map(({ path }) => path).sort()).toEqual(stale.sort());
    expect(readdirSync(dir)).toHaveLength(stale.length + kept.length);
    expect(await pruneEngines(dir, KNOWN)).toEqual(dry);
    expect(
      readdirSync(dir)
        .map((name) => join(dir, name))
        .sort(),
    ).toEqual(kept.sort());
    const reasons = dry.map(({ reason }) => reason).join('; ');
    expect(reasons).toContain('it was built for tensorrt 10.14.0, here is 10.15.1');
    expect(reasons).toContain('it was built from another model.onnx than tiny has now');
    expect(reasons).toContain('too few for an engine file');
    expect(reasons).toContain('a build that was killed left it behind');
  });

  it('removes what an older version of this package wrote, which no version reads any more', async () => {
    const cache = new EngineCache(engineFolder());
    const path = await publish(cache);
    const older = readFileSync(path);
    older.writeUInt32LE(FORMAT_VERSION - 1, 8);
    writeFileSync(path, older);
    expect(await pruneEngines(cache.dir, KNOWN)).toMatchObject([{ path, reason: expect.stringContaining('format') }]);
    expect(readdirSync(cache.dir)).toEqual([]);
  });

  it('says what it could not remove', async () => {
    const cache = new EngineCache(engineFolder());
    mkdirSync(cache.pathOf(headerOf()));
    const error = await failure(pruneEngines(cache.dir, KNOWN));
    expect(error.code).toBe('IO_FAILED');
    expect(error.message).toContain(cache.pathOf(headerOf()));
    expect([error.cause, error.hint]).toEqual([expect.any(Error), expect.stringContaining('owner')]);
  });

  it('knows nothing of versions and models that are not here', async () => {
    const { dir } = await filled();
    const pruned = await pruneEngines(dir, { installed: [], models: [], dryRun: true });
    expect(pruned).toHaveLength(3);
    expect(await pruneEngines(join(dir, 'missing'), KNOWN)).toEqual([]);
  });
});
