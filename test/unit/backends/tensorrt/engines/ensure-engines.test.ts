import {
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { EngineProgress } from '../../../../../src/backends/backend.js';
import { sha256 } from '../../../../../src/backends/tensorrt/engines/engine-file.js';
import type { EngineOptions } from '../../../../../src/backends/tensorrt/engines/engine-options.js';
import { ensureEngines, previewBuild } from '../../../../../src/backends/tensorrt/engines/model-engines.js';
import { inputShapes } from '../../../../../src/backends/tensorrt/engines/profiles.js';
import { T2IError } from '../../../../../src/errors.js';
import type { ModelDescription } from '../../../../../src/model/description.js';
import { describeModel } from '../../../../../src/model/layout.js';
import { fixture } from '../../../../contract/tiny-jobs.js';
import { childrenHere, started } from '../../../../support/children-here.js';
import { engineFolder, failure } from '../../../../support/engines.js';
import { FakeTensorrt, GPU } from '../../../../support/fake-tensorrt.js';
import { openFilesIn } from '../../../../support/open-files.js';
import { noLinux, skipFor } from '../../../../support/skip-for.js';
import { PROFILE, SMALL } from '../../../../support/small-engines.js';

const ALL = ['text_encoder/model.onnx', 'vae_decoder/model.onnx', 'unet/model.onnx'];

childrenHere();

describe('the engines of a model', () => {
  let model: ModelDescription;
  let fake: FakeTensorrt;
  let told: EngineProgress[];
  let options: EngineOptions;
  beforeAll(async () => {
    model = await describeModel(fixture('tiny'));
  });
  beforeEach(() => {
    told = [];
    fake = new FakeTensorrt(model);
    options = fake.options({ onProgress: (event) => told.push(event) });
  });

  it('are built, compared with the reference and kept, each on what the builds before it recorded', async () => {
    const { engines, timingCache } = await ensureEngines(options);
    expect([fake.built, fake.runs]).toEqual([ALL, ALL]);
    expect(fake.builds.map((build) => build.timingCache)).toEqual([null, Uint8Array.of(1), Uint8Array.of(1, 2)]);
    expect(timingCache).toEqual(Uint8Array.of(1, 2, 3));
    for (const [network, engine] of Object.entries(engines)) {
      const shapes = inputShapes(model, network as 'unet', PROFILE);
      expect(engine).toMatchObject({ built: true, warnings: [], notes: [], header: { fallback: null, shapes } });
      expect(engine.header.accuracy).toEqual({ similarity: 1, largestError: 0, against: 'toy 1.0' });
      expect(fake.builds).toContainEqual(
        expect.objectContaining({ profiles: shapes, device: 0, computeCapabilities: [], workspaceBytes: 0 }),
      );
    }
    expect(engines.vaeDecoder.log).toEqual(['vae_decoder/model.onnx was built']);
    expect(engines.unet.header).toMatchObject({ sdk: fake.loaded.addon.version, insteadOf: [], gpu: GPU.name });
    expect(readdirSync(options.dir)).toHaveLength(3);
  });

  it('are told of as they are built, and leave no process', async () => {
    await ensureEngines(options);
    const lines = told.filter(({ network }) => network === 'unet').map((each) => [each.phase, each.fraction]);
    expect(lines).toEqual([
      ['build', 0],
      ['build', 0.5],
      ['build', 1],
      ['check', 0],
      ['check', 1],
    ]);
    expect(told.map(({ detail }) => detail)).toContain('Choosing kernels 1/2');
    expect(told[0]?.detail).toBe('from model.onnx');
    expect(started.map(({ connected }) => connected)).toEqual(Array(6).fill(false));
  });

  it('are found again by whoever asks for the same or leaves the profile open', async () => {
    const { engines } = await ensureEngines(options);
    for (const profile of [PROFILE, null]) {
      const again = await ensureEngines({ ...options, profile, verifyEngines: false });
      for (const network of ['textEncoder', 'unet', 'vaeDecoder'] as const) {
        const { path, header } = engines[network];
        const none = { warnings: [], notes: [], log: [], timingCache: null };
        expect(again.engines[network]).toEqual({ path, header, built: false, ...none });
      }
      expect(again.timingCache).toBeNull();
    }
    expect(fake.built).toEqual(ALL);
  });

  it('are built for the profile that is asked for, and the last that was built is taken by whoever leaves it open', async () => {
    await ensureEngines(options);
    const larger = await ensureEngines({ ...options, profile: { ...PROFILE, max: { ...SMALL, batch: 3 } } });
    expect(fake.built).toEqual([...ALL, ...ALL.slice(1)]);
    expect(larger.engines.unet.notes[0]).toMatch(/^unet: built again, for the engine of the cache was .* not /);
    const open = await ensureEngines({ ...options, profile: null });
    expect(open.engines.unet.path).toBe(larger.engines.unet.path);
    expect(open.engines.vaeDecoder.path).toBe(larger.engines.vaeDecoder.path);
  });

  it('are for one to four images of the model’s size where nothing says otherwise', async () => {
    const { engines } = await ensureEngines({ ...options, profile: null });
    const size = model.nativeSize.height / model.vaeFactor;
    const [shapes] = engines.vaeDecoder.header.shapes;
    expect(shapes).toMatchObject({ min: [1, 4, size, size], max: [4, 4, size, size] });
  });

  it('are built again for another TensorRT, and say why with the nearest that is there', async () => {
    await ensureEngines(options);
    const older = fake.library({ version: '10.6.0' });
    await ensureEngines({ ...options, library: older, device: { ...GPU, name: 'NVIDIA A10' } });
    told.length = 0;
    const { engines } = await ensureEngines({ ...options, library: fake.library({ version: '10.16.0' }) });
    const why = 'unet: built again, for the engine of the cache was built for TensorRT 10.15.1, this is 10.16.0';
    expect(engines.unet).toMatchObject({ built: true, notes: [why] });
    expect(told.map(({ detail }) => detail)).toContain(`from model.onnx; ${why}`);
  });

  it('of other models are of no concern', async () => {
    await ensureEngines({ ...options, model: { ...model, name: 'another' }, profile: { ...PROFILE, max: SMALL } });
    const { engines } = await ensureEngines(options);
    expect(engines.unet).toMatchObject({ built: true, notes: [] });
  });

  it.each([true, false])(
    'are built again where a file is damaged, and say why (verified %s)',
    async (verifyEngines) => {
      const { engines } = await ensureEngines(options);
      const bytes = readFileSync(engines.unet.path);
      bytes[verifyEngines ? bytes.length - 1 : 0]! ^= 1;
      writeFileSync(engines.unet.path, bytes);
      const preview = await previewBuild({ ...options, verifyEngines });
      expect(preview.engines.map(({ present }) => present)).toEqual([true, true, false]);
      const again = await ensureEngines({ ...options, verifyEngines });
      expect(again.engines.unet.built).toBe(true);
      expect(again.engines.unet.notes).toEqual([expect.stringContaining(engines.unet.path)]);
      expect(again.engines.vaeDecoder).toMatchObject({ built: false, notes: [] });
    },
  );

  it('are not taken under the name of another, nor where they cannot be read', async () => {
    const { engines } = await ensureEngines(options);
    copyFileSync(engines.vaeDecoder.path, engines.unet.path);
    rmSync(engines.textEncoder.path);
    mkdirSync(engines.textEncoder.path);
    const preview = await previewBuild(options);
    expect(preview.engines.map(({ present }) => present)).toEqual([false, true, false]);
    rmSync(engines.textEncoder.path, { recursive: true });
    const again = await ensureEngines(options);
    expect(again.engines.unet.notes[0]).toContain('its name is that of another engine');
    expect(again.engines.unet.header.component).toBe('unet');
  });

  it('belong to the timing cache that pins them', async () => {
    const { timingCache, engines } = await ensureEngines(options);
    const pinned = await ensureEngines({ ...options, timingCache });
    expect(pinned.engines.unet.path).not.toBe(engines.unet.path);
    expect(pinned.engines.unet.header.flags.timingCache).toBe(sha256(timingCache as Uint8Array));
    expect(fake.builds[3]?.timingCache).toEqual(timingCache);
    expect((await ensureEngines({ ...options, timingCache })).engines.unet.built).toBe(false);
  });

  it('that were pinned are taken by whoever leaves the profile open', async () => {
    await ensureEngines({ ...options, timingCache: Uint8Array.of(7) });
    const open = await ensureEngines({ ...options, profile: null });
    expect(Object.values(open.engines).map(({ built }) => built)).toEqual([false, false, false]);
  });

  it('that are damaged leave their place to others that fit', async () => {
    const { engines } = await ensureEngines(options);
    const { path } = (await ensureEngines({ ...options, timingCache: Uint8Array.of(7) })).engines.unet;
    utimesSync(engines.unet.path, new Date(0), new Date(0));
    const bytes = readFileSync(path);
    writeFileSync(path, bytes.fill(0, bytes.length - 1));
    const { unet } = (await ensureEngines({ ...options, profile: null })).engines;
    expect(unet).toMatchObject({ built: false, path: engines.unet.path, notes: [expect.stringContaining(path)] });
  });

  it('are built by processes that find the libraries beside TensorRT, and where its link leads', async () => {
    const folder = engineFolder();
    const linked = join(folder, 'libnvinfer.so.10');
    symlinkSync(options.library.path, linked);
    vi.stubEnv('LD_LIBRARY_PATH', '/given');
    await ensureEngines({ ...options, library: { ...options.library, path: linked } });
    expect(started[0]?.started.env?.LD_LIBRARY_PATH).toBe(`${folder}:${dirname(options.library.path)}:/given`);
    vi.stubEnv('LD_LIBRARY_PATH', '');
    await ensureEngines({ ...options, dir: engineFolder() });
    expect(started.at(-2)?.started.env?.LD_LIBRARY_PATH).toBe(dirname(options.library.path));
    vi.unstubAllEnvs();
  });

  it('are kept in a folder of any name, of which no file stays open', skipFor(noLinux), async () => {
    const dir = join(engineFolder(), 'of.engine.s');
    await ensureEngines({ ...options, dir });
    expect([readdirSync(dir).length, openFilesIn(dir)]).toEqual([3, []]);
  });

  it('that cannot be written once they are built say so', async () => {
    fake.building = () => rmSync(options.dir, { recursive: true });
    const error = await failure(ensureEngines(options));
    expect(error).toMatchObject({ code: 'IO_FAILED', hint: expect.stringContaining('disk') });
    expect(error.message).toContain(options.dir);
  });

  it('are built once by two that want them at the same time', async () => {
    const both = await Promise.all([1, 2].map(() => ensureEngines(options)));
    expect(fake.built.toSorted()).toEqual(ALL.toSorted());
    expect(told).toContainEqual({
      phase: 'build',
      network: 'textEncoder',
      fraction: 0,
      detail: 'another process builds it',
    });
    expect(both[0]?.engines.unet.path).toBe(both[1]?.engines.unet.path);
    expect(both.map((each) => each.engines.textEncoder.notes)).toEqual([[], []]);
    expect(readdirSync(options.dir)).toHaveLength(3);
  });

  it('are not built where that is not wanted any more, before the first, and between two', async () => {
    const ended = { signal: AbortSignal.abort('enough'), dir: '/dev/null/engines' };
    await expect(ensureEngines({ ...options, ...ended })).rejects.toBe('enough');
    const controller = new AbortController();
    const onProgress = ({ phase, fraction }: EngineProgress) => {
      if (phase === 'check' && fraction === 1) controller.abort('enough');
    };
    await expect(ensureEngines({ ...options, signal: controller.signal, onProgress })).rejects.toBe('enough');
    expect(fake.built).toEqual(ALL.slice(0, 1));
  });

  it('are refused at once below a folder that cannot be made, before the model is read', async () => {
    const gone = { ...options, dir: '/dev/null/engines', model: { ...model, dir: '/gone' } };
    expect((await failure(ensureEngines(gone))).code).toBe('IO_FAILED');
  });

  it('are refused for a profile that the model does not run', async () => {
    const odd = { ...options, profile: { ...PROFILE, max: { ...SMALL, width: 5 } } };
    expect((await failure(previewBuild(odd))).code).toBe('OPTION_INVALID');
  });

  it('that cannot be built say so, whatever the cause, and leave nothing', async () => {
    fake.building = () => Promise.reject(Object.assign(new Error('no kernel'), { code: 'ENGINE_BUILD_FAILED' }));
    const error = await failure(ensureEngines(options));
    expect(error).toMatchObject({ code: 'ENGINE_BUILD_FAILED', message: 'no kernel' });
    fake.building = () => void started.at(-1)?.kill('SIGKILL');
    const crash = await failure(ensureEngines(options));
    expect(crash.code).toBe('ENGINE_BUILD_FAILED');
    expect(crash.message).toMatch(/text_encoder of tiny could not be built: .*SIGKILL/);
    expect(crash.hint).toContain('memory ran out');
    expect(T2IError.is(crash.cause) && crash.cause.code).toBe('BACKEND_CRASHED');
    expect(readdirSync(options.dir)).toEqual([]);
  });
});

describe('the preview of a build', () => {
  it('says what would be built from what, with which memory, and builds nothing', async () => {
    const fake = new FakeTensorrt(await describeModel(fixture('tiny')));
    const options = fake.options();
    const { engines, target, profile } = await previewBuild(options);
    expect([target.gpu, profile, readdirSync(options.dir), fake.built]).toEqual([GPU.name, PROFILE, [], []]);
    expect(engines.map(({ component }) => component)).toEqual(['text_encoder', 'vae_decoder', 'unet']);
    expect(engines[2]).toMatchObject({
      present: false,
      from: 'model.onnx',
      precision: 'fp32',
      otherwise: [],
      notes: [],
      warning: null,
      shapes: inputShapes(fake.model, 'unet', PROFILE),
    });
    expect(engines[2]?.memory.deviceBytes).toBeGreaterThan(0);
    const { engines: built } = await ensureEngines(options);
    expect((await previewBuild(options)).engines[2]).toEqual({
      ...engines[2],
      present: true,
      path: built.unet.path,
    });
    expect(engines[2]?.path).toBe(built.unet.path);
  });
});
