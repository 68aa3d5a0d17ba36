import {
  appendFileSync,
  copyFileSync,
  cpSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import type { LoadedAddon } from '../../src/backends/tensorrt/addon.js';
import { listEngines } from '../../src/backends/tensorrt/engines/engine-cache.js';
import { readEngineFile } from '../../src/backends/tensorrt/engines/engine-file.js';
import type { EngineOptions, EngineProgress } from '../../src/backends/tensorrt/engines/engine-task.js';
import { ensureEngines } from '../../src/backends/tensorrt/engines/ensure-engines.js';
import { planEngines } from '../../src/backends/tensorrt/engines/plan-engines.js';
import type { NativeDevice, NativeLibrary } from '../../src/backends/tensorrt/native.js';
import { describeModel } from '../../src/model/layout.js';
import { engineFolder, failure } from '../support/engines.js';
import { buildFolder, loadBuild } from '../support/native.js';
import { toyReference } from '../support/toy-networks.js';

const TINY = fileURLToPath(new URL('../fixtures/tiny', import.meta.url));
const build = buildFolder('sim');
const SMALL = { batch: 1, height: 4, width: 4 };
const PROFILE = { min: SMALL, opt: SMALL, max: { ...SMALL, batch: 2 } };

function machine(fake = 'fake-11'): { addon: LoadedAddon; library: NativeLibrary; device: NativeDevice } {
  const addon = { addon: loadBuild('sim'), path: join(build as string, 'Release', 't2i.node') };
  const [library] = addon.addon.libraries({ only: join(build as string, fake) });
  const [device] = addon.addon.devices().devices;
  if (library === undefined || device === undefined)
    throw new Error('the simulated machine has no TensorRT or no device');
  return { addon, library, device };
}

async function optionsOf(changes: Partial<EngineOptions> = {}): Promise<EngineOptions> {
  return {
    model: await describeModel(TINY),
    ...machine(),
    computeCapabilities: [],
    profile: PROFILE,
    dir: engineFolder(),
    timingCache: null,
    reference: toyReference,
    signal: new AbortController().signal,
    onProgress: () => {},
    ...changes,
  };
}

/** The tiny model with its decoder written in half precision as well. */
async function withHalfDecoder() {
  const dir = engineFolder();
  cpSync(TINY, dir, { recursive: true });
  copyFileSync(join(dir, 'vae_decoder/model.onnx'), join(dir, 'vae_decoder/model.fp16.onnx'));
  return describeModel(dir);
}

const fail = (names: string) => {
  process.env.T2I_FAKE_TENSORRT = names;
};
afterEach(() => {
  delete process.env.T2I_FAKE_TENSORRT;
});

describe.skipIf(build === null)('engines on the simulated device', () => {
  it('are built, checked, published and found again', async () => {
    const progress: EngineProgress[] = [];
    const options = await optionsOf({ onProgress: (event) => progress.push(event) });
    const before = await planEngines(options);
    expect(before.engines.map(({ present }) => present)).toEqual([false, false, false]);
    expect(readdirSync(options.dir)).toEqual([]);
    const { engines, timingCache } = await ensureEngines(options);
    for (const network of ['textEncoder', 'unet', 'vaeDecoder'] as const) {
      const engine = engines[network];
      expect(engine).toMatchObject({ built: true, warnings: [], notes: [] });
      const { header, plan } = await readEngineFile(engine.path);
      expect(header).toEqual(engine.header);
      expect(plan.length).toBe(header.plan.bytes);
      expect(header).toMatchObject({
        model: options.model.name,
        runtime: 'tensorrt',
        tensorrt: options.library.version,
        gpu: options.device?.name,
        precision: 'fp32',
        fallback: null,
        accuracy: { similarity: 1, largestError: 0, against: 'toy 1.0' },
      });
      const told = progress.filter((event) => event.network === network);
      expect(told.map(({ phase }) => phase)).toContain('check');
      const fractions = told.filter(({ phase }) => phase === 'build').map(({ fraction }) => fraction);
      expect(fractions).toEqual(fractions.toSorted((a, b) => a - b));
    }
    expect(timingCache?.length).toBeGreaterThan(0);
    expect(readdirSync(options.dir)).toHaveLength(3);
    expect((await planEngines(options)).engines).toEqual(
      before.engines.map((engine) => ({ ...engine, present: true, path: expect.stringContaining(engine.component) })),
    );

    const again = await ensureEngines(options);
    expect(Object.values(again.engines).map(({ built }) => built)).toEqual([false, false, false]);
    expect(again.timingCache).toBeNull();
    expect(again.engines.unet.header).toEqual(engines.unet.header);
  });

  it('fit a caller that leaves the profile open, and are built for the exact one that another asks for', async () => {
    const options = await optionsOf();
    const { engines } = await ensureEngines(options);
    const open = await ensureEngines({ ...options, profile: null });
    expect(open.engines.unet.path).toBe(engines.unet.path);
    const larger = await ensureEngines({ ...options, profile: { ...PROFILE, max: { ...SMALL, batch: 3 } } });
    expect(larger.engines.textEncoder.built).toBe(false);
    expect(larger.engines.unet.built).toBe(true);
    expect(readdirSync(options.dir)).toHaveLength(5);
    const last = await ensureEngines({ ...options, profile: null });
    expect(last.engines.unet.path).toBe(larger.engines.unet.path);
    expect(last.engines.vaeDecoder.path).toBe(larger.engines.vaeDecoder.path);
  });

  it('are built again for another TensorRT, and say why', async () => {
    const options = await optionsOf();
    await ensureEngines(options);
    const other = machine('fake-10');
    const { engines } = await ensureEngines({ ...options, ...other });
    expect(engines.unet.built).toBe(true);
    expect(engines.unet.notes).toEqual([
      `unet: built again, for the engine of the cache was built for TensorRT ${options.library.version}, this is ${other.library.version}`,
    ]);
  });

  it('are built again where the file is damaged, and say why', async () => {
    const options = await optionsOf();
    const { engines } = await ensureEngines(options);
    const bytes = readFileSync(engines.unet.path);
    bytes[bytes.length - 1]! ^= 1;
    writeFileSync(engines.unet.path, bytes);
    const again = await ensureEngines(options);
    expect(again.engines.unet.built).toBe(true);
    expect(again.engines.unet.notes[0]).toContain('its plan is damaged');
    expect(again.engines.vaeDecoder.built).toBe(false);
    await readEngineFile(engines.unet.path);
  });

  it('are not taken under the name of another', async () => {
    const options = await optionsOf();
    const { engines } = await ensureEngines(options);
    copyFileSync(engines.vaeDecoder.path, engines.unet.path);
    const again = await ensureEngines(options);
    expect(again.engines.unet.notes[0]).toContain('its name is that of another engine');
    expect(again.engines.unet.header.component).toBe('unet');
  });

  it('belong to the timing cache that pins them', async () => {
    const options = await optionsOf();
    const { timingCache, engines } = await ensureEngines(options);
    const pinned = await ensureEngines({ ...options, timingCache });
    expect(pinned.engines.unet.path).not.toBe(engines.unet.path);
    expect(pinned.engines.unet.header.flags.timingCache).toMatch(/^[0-9a-f]{64}$/);
    expect((await ensureEngines({ ...options, timingCache })).engines.unet.built).toBe(false);
  });

  it.each([
    ['nan', /gives \d+ of \d+ values that are infinite or no numbers/],
    ['inaccurate', /differs from toy 1\.0: .*largest error 0\.1/],
  ])('that compute something else (%s) never enter the cache', async (failures, message) => {
    const options = await optionsOf();
    fail(failures);
    const error = await failure(ensureEngines(options));
    expect(error.code).toBe('ENGINE_INACCURATE');
    expect(error.message).toMatch(message);
    expect((await listEngines(options.dir)).map((entry) => 'header' in entry && entry.header.component)).not.toContain(
      'vae_decoder',
    );
  });

  it('of a decoder that overflows in half precision are built in float32, with a warning, once', async () => {
    const options = await optionsOf({ model: await withHalfDecoder() });
    fail('fp16-overflow');
    const { engines } = await ensureEngines(options);
    const { header, warnings } = engines.vaeDecoder;
    expect(header).toMatchObject({ precision: 'fp32', onnx: { file: 'model.onnx' } });
    expect(header.fallback).toContain('values that are infinite or no numbers');
    expect(warnings).toEqual([`vae_decoder: runs in fp32, for ${header.fallback}`]);
    const again = await ensureEngines(options);
    expect(again.engines.vaeDecoder).toMatchObject({ built: false, warnings });
    expect((await planEngines(options)).engines.map(({ present }) => present)).toEqual([true, true, true]);
  });

  it('of a decoder that is exported anew are tried in half precision again', async () => {
    const options = await optionsOf({ model: await withHalfDecoder() });
    fail('fp16-overflow');
    await ensureEngines(options);
    fail('');
    const file = join(options.model.dir, 'vae_decoder/model.fp16.onnx');
    // An unknown field of the protobuf message changes nothing but the bytes.
    appendFileSync(file, Uint8Array.of(0xf8, 0x07, 0));
    const { vaeDecoder } = (await ensureEngines({ ...options, reference: null })).engines;
    expect(vaeDecoder).toMatchObject({ built: true, warnings: [], header: { precision: 'fp16', insteadOf: null } });
  });

  it('of a decoder that is well in half precision stay in it', async () => {
    const { engines } = await ensureEngines(await optionsOf({ model: await withHalfDecoder() }));
    expect(engines.vaeDecoder.header).toMatchObject({
      precision: 'fp16',
      fallback: null,
      onnx: { file: 'model.fp16.onnx' },
    });
  });

  it('that could not be checked when they were built are checked on their first use', async () => {
    const options = await optionsOf({ model: await withHalfDecoder() });
    const unchecked = await ensureEngines({ ...options, reference: null });
    expect(unchecked.engines.unet.header.accuracy).toBeNull();
    expect(unchecked.engines.unet.notes).toEqual(['unet: not checked, for it cannot be run here; the first use does']);
    const found = await ensureEngines(options);
    expect(found.engines.unet).toMatchObject({
      built: false,
      header: { accuracy: { similarity: 1, against: 'toy 1.0' } },
    });
    expect((await readEngineFile(found.engines.unet.path)).header).toEqual(found.engines.unet.header);
    expect(found.engines.vaeDecoder.header.precision).toBe('fp16');
  });

  it('that fail their first check are removed; the decoder falls back, the others are refused', async () => {
    const options = await optionsOf({ model: await withHalfDecoder() });
    const { engines } = await ensureEngines({ ...options, reference: null });
    fail('fp16-overflow');
    const after = await ensureEngines(options);
    expect(existsSync(engines.vaeDecoder.path)).toBe(false);
    expect(after.engines.vaeDecoder.header).toMatchObject({
      precision: 'fp32',
      fallback: expect.stringContaining('infinite'),
    });

    const other = await optionsOf();
    const unchecked = await ensureEngines({ ...other, reference: null });
    fail('nan');
    expect((await failure(ensureEngines(other))).code).toBe('ENGINE_INACCURATE');
    expect(existsSync(unchecked.engines.vaeDecoder.path)).toBe(false);
  });

  it.each([
    ['build-fails', 'ENGINE_BUILD_FAILED', /no implementation|implementation for node/],
    ['build-memory', 'OUT_OF_MEMORY', /memory/i],
    ['crash-build', 'ENGINE_BUILD_FAILED', /text_encoder of .* could not be built: .*SIGABRT/],
  ])('that cannot be built (%s) end with %s', async (failures, code, message) => {
    const options = await optionsOf();
    fail(failures);
    const error = await failure(ensureEngines(options));
    expect(error.code).toBe(code);
    expect(error.message).toMatch(message);
    expect(readdirSync(options.dir)).toEqual([]);
  });

  it('that crash when they are first run take no one along', async () => {
    const options = await optionsOf();
    fail('crash-enqueue');
    const error = await failure(ensureEngines(options));
    expect(error.code).toBe('BACKEND_CRASHED');
    expect(error.message).toContain('SIGABRT');
    expect(readdirSync(options.dir)).toEqual([]);
  });

  it('end soon when they are cancelled, and leave nothing', async () => {
    fail('slow-build');
    const controller = new AbortController();
    let started = 0;
    const options = await optionsOf({
      signal: controller.signal,
      onProgress: ({ fraction }) => {
        if (fraction > 0 && started === 0) {
          started = Date.now();
          controller.abort(new Error('enough'));
        }
      },
    });
    await expect(ensureEngines(options)).rejects.toThrow('enough');
    expect(Date.now() - started).toBeLessThan(3000);
    expect(readdirSync(options.dir)).toEqual([]);
    await expect(ensureEngines(options)).rejects.toThrow('enough');
  });

  it('are built once by two that want them at the same time', async () => {
    const options = await optionsOf();
    const waits: string[] = [];
    const onProgress = ({ detail }: EngineProgress) => void waits.push(detail);
    const both = await Promise.all([1, 2].map(() => ensureEngines({ ...options, onProgress })));
    const built = both.map(({ engines }) => Object.values(engines).map((engine) => engine.built));
    expect(built.flat().filter(Boolean)).toHaveLength(3);
    expect(waits).toContain('another process builds it');
    expect(both[0]?.engines.unet.path).toBe(both[1]?.engines.unet.path);
    expect(readdirSync(options.dir)).toHaveLength(3);
  });

  it('need a device or compute capabilities, and those a TensorRT that builds for others', async () => {
    const options = await optionsOf();
    expect((await failure(ensureEngines({ ...options, device: null }))).message).toContain(
      'computeCapabilities: expected those',
    );
    const error = await failure(ensureEngines({ ...options, computeCapabilities: [89] }));
    expect(error.code).toBe('OPTION_INVALID');
    expect(error.message).toContain('none with tensorrt, which builds for the card at hand alone');
    expect(
      (await failure(planEngines({ ...options, profile: { ...PROFILE, max: { ...SMALL, width: 5 } } }))).code,
    ).toBe('OPTION_INVALID');
  });

  it('are used although the result of their check cannot be kept', async () => {
    const options = await optionsOf();
    const { engines } = await ensureEngines({ ...options, reference: null });
    // The folder goes away when the last engine has been checked.
    const onProgress = ({ phase, network, fraction }: EngineProgress) => {
      if (phase === 'check' && network === 'unet' && fraction === 1) rmSync(options.dir, { recursive: true });
    };
    const { unet } = (await ensureEngines({ ...options, onProgress })).engines;
    expect(unet).toMatchObject({ path: engines.unet.path, header: { accuracy: { similarity: 1 } } });
    expect(unet.notes[0]).toContain('unet: the result of its check could not be kept: Cannot write');
  });
});
