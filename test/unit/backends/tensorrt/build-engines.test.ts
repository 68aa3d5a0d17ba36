import { appendFileSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { LoadProgress } from '../../../../src/backends/backend.js';
import {
  type BuildEnginesOptions,
  buildEngines,
  previewEngines,
  pruneEngineCache,
  tryEngine,
} from '../../../../src/backends/engines.js';
import { ensureEngines } from '../../../../src/backends/tensorrt/engines/model-engines.js';
import { defaultProfile } from '../../../../src/backends/tensorrt/engines/profiles.js';
import { describeModel } from '../../../../src/model/layout.js';
import { fixture } from '../../../contract/tiny-jobs.js';
import { childrenHere } from '../../../support/children-here.js';
import { engineFolder, failure } from '../../../support/engines.js';
import { FakeTensorrt, GPU } from '../../../support/fake-tensorrt.js';
import { withHalfDecoder } from '../../../support/sim-machine.js';
import { PROFILE } from '../../../support/small-engines.js';

childrenHere();

describe('what the command line asks of engines', () => {
  let fake: FakeTensorrt;
  let cache: string;
  beforeEach(async () => {
    fake = new FakeTensorrt(await describeModel(fixture('tiny')));
    fake.libraries = [fake.library(), fake.library({ kind: 'rtx', version: '1.3.0' })];
    cache = engineFolder();
    vi.stubEnv('T2I_ADDON', fake.path);
    vi.stubEnv('T2I_ENGINE_CACHE', cache);
  });
  afterEach(() => void vi.unstubAllEnvs());

  /** For GPUs that are not here: nothing is compared with onnxruntime then. */
  const AHEAD = { computeCapabilities: [120] };
  const withoutGpu = () => {
    fake.devices = { ...fake.devices, available: false, reason: 'no driver', hint: 'install one', devices: [] };
  };

  it.each([true, false])(
    'builds ahead of time with TensorRT-RTX, for the usual profile (a GPU here: %s)',
    async (gpu) => {
      if (!gpu) withoutGpu();
      const told: LoadProgress[] = [];
      const { engines } = await buildEngines(fake.model, { ...AHEAD, onProgress: (event) => told.push(event) });
      expect(engines.unet.header).toMatchObject({ runtime: 'tensorrt-rtx', computeCapabilities: [120], gpu: null });
      const { min, max } = engines.vaeDecoder.header.shapes[0] ?? {};
      const { batch, height, width } = defaultProfile(fake.model).max;
      expect([min?.[0], max]).toEqual([1, [batch, fake.model.latentChannels, height, width]]);
      expect(readdirSync(cache)).toHaveLength(3);
      expect(told.length).toBeGreaterThan(0);
      expect((await buildEngines(fake.model, AHEAD)).engines.unet.built).toBe(false);
    },
  );

  it('builds again what is damaged', async () => {
    const { engines } = await buildEngines(fake.model, AHEAD);
    const bytes = readFileSync(engines.unet.path);
    writeFileSync(engines.unet.path, bytes.fill(0, bytes.length - 1));
    expect((await buildEngines(fake.model, AHEAD)).engines.unet.built).toBe(true);
  });

  it('builds for the profile, by the runtime and into the folder that are asked for', async () => {
    const dir = engineFolder();
    const options = { ...AHEAD, profile: PROFILE, runtime: 'tensorrt-rtx', dir } as const;
    const { engines } = await buildEngines(fake.model, options);
    expect(engines.vaeDecoder.header.shapes[0]?.max.slice(-2)).toEqual([4, 4]);
    expect([readdirSync(dir).length, readdirSync(cache)]).toEqual([3, []]);
  });

  it('previews for the GPU at hand with the best that can build', async () => {
    fake.libraries = [fake.library({ canBuild: false, version: '11.0.0' }), fake.library()];
    const { target, profile, engines } = await previewEngines(fake.model);
    expect(target).toEqual({
      runtime: 'tensorrt',
      tensorrt: '10.15.1',
      computeCapabilities: [89],
      gpu: GPU.name,
      driver: '13.1',
    });
    expect([profile, engines.length, fake.built]).toEqual([defaultProfile(fake.model), 3, []]);
    const other = { ...GPU, index: 1, name: 'NVIDIA A10', computeCapability: '8.6' };
    fake.devices = { ...fake.devices, devices: [GPU, other] };
    const second = await previewEngines(fake.model, { device: 1, tensorrtLibDir: '/there' });
    expect(second.target).toMatchObject({ computeCapabilities: [86], gpu: 'NVIDIA A10' });
    expect(fake.searches.at(-1)).toEqual({ only: '/there' });
  });

  it('takes the runtime that is asked for', async () => {
    expect((await previewEngines(fake.model, { runtime: 'tensorrt-rtx' })).target.runtime).toBe('tensorrt-rtx');
    expect((await previewEngines(fake.model, { runtime: 'tensorrt' })).target.runtime).toBe('tensorrt');
  });

  it('does not take TensorRT-RTX for a GPU that it does not know, but builds for others there', async () => {
    fake.libraries = fake.libraries.slice(1);
    fake.devices = { ...fake.devices, devices: [{ ...GPU, computeCapability: '9.0' }] };
    expect((await failure(previewEngines(fake.model))).message).toMatch(/no code for NVIDIA L4/);
    expect((await previewEngines(fake.model, AHEAD)).target.computeCapabilities).toEqual([120]);
  });

  it('pins what an earlier build recorded', async () => {
    const { engines } = await previewEngines(fake.model);
    const pinned = await previewEngines(fake.model, { timingCache: Uint8Array.of(1) });
    expect(pinned.engines[2]?.path).not.toBe(engines[2]?.path);
    expect((await previewEngines(fake.model, { timingCache: null })).engines[2]?.path).toBe(engines[2]?.path);
  });

  it.each<[string, BuildEnginesOptions]>([
    ['nothing said for which GPU', {}],
    ['none asked for', { computeCapabilities: [] }],
  ])('cannot build without a GPU, with %s', async (_, options) => {
    withoutGpu();
    const error = await failure(buildEngines(fake.model, options));
    expect(error).toMatchObject({ code: 'BACKEND_UNAVAILABLE', hint: 'install one' });
  });

  it('ends when it is aborted', async () => {
    const signal = AbortSignal.abort('enough');
    await expect(buildEngines(fake.model, { ...AHEAD, signal })).rejects.toBe('enough');
  });

  it('tries one engine whatever the cache holds', async () => {
    const dir = engineFolder();
    for (const count of [1, 2]) {
      const engine = await tryEngine(fake.model, 'vaeDecoder', { ...AHEAD, dir });
      expect(engine).toMatchObject({ built: true, header: { component: 'vae_decoder' } });
      expect(engine.notes).toEqual([expect.stringContaining('not checked')]);
      expect(fake.built).toHaveLength(count);
    }
    expect(fake.builds[1]?.timingCache).toBeNull();
  });

  describe('prunes', () => {
    let paths: string[];
    beforeEach(async () => {
      const options = fake.options({ dir: cache });
      const { engines } = await ensureEngines(options);
      paths = Object.values(engines).map(({ path }) => path);
    });
    const prune = (models: readonly string[], dryRun = false) => pruneEngineCache(cache, { models, dryRun });

    it('nothing of a TensorRT that is here and a model as it is', async () => {
      expect(await prune([fake.model.dir])).toEqual([]);
      expect(paths.every(existsSync)).toBe(true);
    });

    it('what a TensorRT built that is gone, or is there and broken', async () => {
      fake.libraries = [fake.library({ version: '10.16.0' }), fake.library({ problem: 'broken' })];
      const gone = await prune([], true);
      expect(gone.map(({ path }) => path).toSorted()).toEqual(paths.toSorted());
      expect(gone[0]?.reason).toMatch(/built for tensorrt 10\.15\.1, here is 10\.16\.0$/);
      expect(paths.every(existsSync)).toBe(true);
      await prune([]);
      expect(paths.some(existsSync)).toBe(false);
    });

    it('nothing for want of a TensorRT, where none is found or none can be looked for', async () => {
      fake.libraries = [];
      expect(await prune([])).toEqual([]);
      fake.libraries = [fake.library({ version: '10.16.0', problem: 'broken' })];
      expect(await prune([])).toEqual([]);
      vi.stubEnv('T2I_ADDON', '/nowhere.node');
      expect(await prune([])).toEqual([]);
    });

    it('what was built from a graph that its model has not any more', async () => {
      const { dir, name } = await withHalfDecoder();
      const other = new FakeTensorrt(await describeModel(dir));
      const { engines } = await ensureEngines(other.options({ dir: cache }));
      expect(await prune([dir, join(cache, 'no-model')])).toEqual([]);
      // An unknown field of the protobuf message changes nothing but the bytes.
      appendFileSync(join(dir, 'vae_decoder/model.fp16.onnx'), Uint8Array.of(0xf8, 0x07, 1));
      const [gone, ...more] = await prune([fake.model.dir, dir, join(cache, 'no-model')]);
      expect([gone?.path, more]).toEqual([engines.vaeDecoder.path, []]);
      expect(gone?.reason).toContain(`another model.fp16.onnx than ${name} has now`);
    });
  });
});
