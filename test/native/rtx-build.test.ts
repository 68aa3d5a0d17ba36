import { copyFileSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { NetworkName } from '../../src/backends/backend.js';
import { defaultProfile, inputShapes } from '../../src/backends/tensorrt/engines/profiles.js';
import type { NativeBuildOptions, NativeBuildProgress } from '../../src/backends/tensorrt/native.js';
import type { ModelDescription } from '../../src/model/description.js';
import { describeModel } from '../../src/model/layout.js';
import { loadBuild, noBuild, noNvidia, nvidiaFolder } from '../support/native.js';
import { hasGpu, skipFor } from '../support/skip-for.js';

// NVIDIA's own parser and builder, on a machine that needs no GPU: TensorRT-RTX builds the default model ahead of time.

const MODEL = fileURLToPath(new URL('../../models/emoji-128/', import.meta.url));
const UNSUPPORTED = fileURLToPath(new URL('fixtures/unsupported-operator.onnx', import.meta.url));
const BF16_DECODER = fileURLToPath(new URL('fixtures/emoji-decoder.bf16.onnx', import.meta.url));
const FOLDERS = { textEncoder: 'text_encoder', unet: 'unet', vaeDecoder: 'vae_decoder' } as const;
/** A UNet takes half a minute where other tests use the processors too. */
const TIMEOUT_MS = 240_000;

const libraries = nvidiaFolder('rtx');

describe('TensorRT-RTX', skipFor(noBuild('none'), noNvidia('rtx')), () => {
  const addon = () => loadBuild('none');
  let model: ModelDescription;
  let folder: string;
  beforeAll(async () => {
    model = await describeModel(MODEL);
    folder = mkdtempSync(join(tmpdir(), 't2i-rtx-'));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  const options = (onnx: string, changes: Partial<NativeBuildOptions> = {}): NativeBuildOptions => ({
    library: join(libraries as string, 'libtensorrt_rtx.so.1'),
    device: null,
    onnx,
    profiles: [],
    computeCapabilities: [89],
    timingCache: null,
    workspaceBytes: 0,
    ...changes,
  });
  const network = (name: NetworkName, file: string, changes: Partial<NativeBuildOptions> = {}): NativeBuildOptions =>
    options(join(MODEL, FOLDERS[name], file), {
      profiles: inputShapes(model, name, defaultProfile(model)),
      ...changes,
    });
  /** Code and message of a build that is refused. */
  const refused = async (of: NativeBuildOptions): Promise<string> => {
    const error = await addon()
      .buildEngine(of, null, null)
      .then(
        () => null,
        (reason: Error & { code: string }) => reason,
      );
    return error === null ? 'it was built' : `${error.code}: ${error.message}`;
  };

  test.each([
    ['textEncoder', 'model.fp16.onnx', 89],
    ['textEncoder', 'model.fp16.onnx', 75],
    ['textEncoder', 'model.onnx', 89],
    ['unet', 'model.fp16.onnx', 89],
    ['unet', 'model.fp16.onnx', 75],
    ['unet', 'model.onnx', 89],
    ['vaeDecoder', 'model.fp16.onnx', 89],
    ['vaeDecoder', 'model.fp16.onnx', 75],
    ['vaeDecoder', 'model.onnx', 89],
    ['vaeDecoder', 'model.onnx', 75],
  ] as const)(
    'builds %s from %s for compute capability %i',
    { timeout: TIMEOUT_MS },
    async (name, file, capability) => {
      const progress: NativeBuildProgress[] = [];
      const result = await addon().buildEngine(
        network(name, file, { computeCapabilities: [capability] }),
        null,
        (told) => progress.push(told),
      );
      // The weights are in the engine, in the graph's own precision: a cast of float16 weights would be half of it.
      const weights = readFileSync(join(MODEL, FOLDERS[name], 'model.weights')).byteLength;
      expect(result.serialized.byteLength).toBeGreaterThan(weights * (file === 'model.onnx' ? 1.5 : 0.9));
      expect(result.timingCache).toBeNull();
      expect(progress.length).toBeGreaterThan(1);
      expect(progress.every(({ phase, step, steps }) => phase !== '' && step <= steps)).toBe(true);
      const fractions = progress.map(({ fraction }) => fraction);
      expect(fractions).toEqual([...fractions].sort((a, b) => a - b));
      expect(fractions.at(-1)).toBe(1);
    },
  );

  /** The decoder as `t2i export` writes it in bf16 (trainer/tests/test_half.py), beside its weights. */
  const inBf16 = (computeCapabilities: number[]) => {
    const beside = mkdtempSync(join(folder, 'bf16-'));
    copyFileSync(BF16_DECODER, join(beside, 'model.bf16.onnx'));
    copyFileSync(join(MODEL, 'vae_decoder', 'model.weights'), join(beside, 'model.weights'));
    return { ...network('vaeDecoder', '', { computeCapabilities }), onnx: join(beside, 'model.bf16.onnx') };
  };

  test.each([[[80]], [[89]], [[86, 89, 120]]])(
    'builds a decoder in bf16 for compute capabilities %j',
    { timeout: TIMEOUT_MS },
    async (computeCapabilities) => {
      const { serialized } = await addon().buildEngine(inBf16(computeCapabilities), null, null);
      expect(serialized.byteLength).toBeGreaterThan(0);
    },
  );

  test.each([[[75]], [[75, 89]]])(
    'says of a decoder in bf16 that %j cannot run it',
    { timeout: TIMEOUT_MS },
    async (computeCapabilities) => {
      // The stand-in says the same (test/native/fake/infer/builder.cc).
      expect(await refused(inBf16(computeCapabilities))).toMatch(
        /^ENGINE_BUILD_FAILED: .*Cannot compile for target\(s\) sm75, because the model contains HW-specific datatypes: b16/,
      );
    },
  );

  test('builds for several compute capabilities at once', { timeout: TIMEOUT_MS }, async () => {
    const both = network('vaeDecoder', 'model.fp16.onnx', { computeCapabilities: [75, 89] });
    expect((await addon().buildEngine(both, null, null)).serialized.byteLength).toBeGreaterThan(0);
  });

  test.each([
    ['textEncoder', 'model.onnx', 'v_proj/MatMul'],
    ['unet', 'model.onnx', 'attn2/to_v/MatMul'],
  ] as const)(
    'says of %s from %s that Turing cannot run %s',
    { timeout: TIMEOUT_MS },
    async (name, file, operation) => {
      const message = await refused(network(name, file, { computeCapabilities: [75] }));
      expect(message).toMatch(/^ENGINE_BUILD_FAILED: .*FP32 GEMM is not supported/);
      expect(message).toContain(operation);
    },
  );

  test('ends early when it is cancelled', { timeout: TIMEOUT_MS }, async () => {
    const controller = new AbortController();
    const started = performance.now();
    const building = addon().buildEngine(network('unet', 'model.fp16.onnx'), controller.signal, () =>
      controller.abort(),
    );
    await expect(building).rejects.toMatchObject({ code: 'ABORTED' });
    // The first report comes long before the step that compiles the kernels.
    expect(performance.now() - started).toBeLessThan(30_000);
  });

  test('says what is wrong with the graph', { timeout: TIMEOUT_MS }, async () => {
    const write = (name: string, bytes: Uint8Array) => {
      writeFileSync(join(folder, name), bytes);
      return options(join(folder, name));
    };
    const whole = readFileSync(join(MODEL, 'vae_decoder', 'model.fp16.onnx'));
    const words = {
      garbage: await refused(write('garbage.onnx', new TextEncoder().encode('no ONNX at all'))),
      cut: await refused(write('cut.onnx', whole.subarray(0, whole.byteLength / 2))),
      withoutWeights: await refused(write('alone.onnx', whole)),
      missing: await refused(options(join(folder, 'missing.onnx'))),
      unsupported: await refused(options(UNSUPPORTED)),
    };
    expect(words).toEqual({
      garbage: expect.stringMatching(/^ENGINE_BUILD_FAILED: .*garbage\.onnx.*Failed to parse the ONNX model/),
      cut: expect.stringMatching(/^ENGINE_BUILD_FAILED: .*cut\.onnx.*Failed to parse the ONNX model/),
      withoutWeights: expect.stringMatching(/^ENGINE_BUILD_FAILED: .*Failed to import initializer/),
      missing: expect.stringMatching(/^ENGINE_BUILD_FAILED: .*cannot be found/),
      unsupported: expect.stringMatching(/^ENGINE_BUILD_FAILED: .*operator Telepathy of node 1, \/made_up\/Telepathy/),
    });
  });

  test('finds the weights beside a linked graph', { timeout: TIMEOUT_MS }, async () => {
    for (const file of ['model.fp16.onnx', 'model.weights']) {
      symlinkSync(join(MODEL, 'vae_decoder', file), join(folder, file));
    }
    const linked = { ...network('vaeDecoder', 'model.fp16.onnx'), onnx: join(folder, 'model.fp16.onnx') };
    expect((await addon().buildEngine(linked, null, null)).serialized.byteLength).toBeGreaterThan(0);
  });

  test('says what is wrong with profiles and compute capabilities', { timeout: TIMEOUT_MS }, async () => {
    expect(await refused(network('vaeDecoder', 'model.fp16.onnx', { profiles: [] }))).toBe(
      'ENGINE_BUILD_FAILED: the profiles do not fit the graph: the dynamic input latents has no profile; its inputs are latents ?x12x?x?',
    );
    expect(await refused(network('vaeDecoder', 'model.fp16.onnx', { computeCapabilities: [75, 90] }))).toMatch(
      /^ENGINE_BUILD_FAILED: TensorRT-RTX refused the compute capabilities 75, 90: /,
    );
  });

  test('refuses to build for a device that is not there', skipFor(hasGpu), async () => {
    const message = await refused(network('vaeDecoder', 'model.fp16.onnx', { computeCapabilities: [] }));
    expect(message).toMatch(/^BACKEND_UNAVAILABLE: there is no GPU to build for: /);
  });
});
