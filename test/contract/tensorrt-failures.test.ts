import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Session } from '../../src/backends/backend.js';
import { BACKENDS, openSelected, selectBackend } from '../../src/backends/select.js';
import { loadAddon } from '../../src/backends/tensorrt/addon.js';
import type { NativeAddon } from '../../src/backends/tensorrt/native.js';
import { nativeModel, openNative, type SessionRequest } from '../../src/backends/tensorrt/open-native.js';
import type { ModelDescription } from '../../src/model/description.js';
import { describeModel } from '../../src/model/layout.js';
import { Pipeline } from '../../src/pipeline.js';
import { noBuild } from '../support/native.js';
import { scratchFolder } from '../support/scratch.js';
import { withBf16Decoder, withHalfDecoder } from '../support/sim-machine.js';
import { type SimTensorrt, simTensorrt } from '../support/sim-tensorrt.js';
import { skipFor } from '../support/skip-for.js';
import { toyImages, toyReference } from '../support/toy-networks.js';
import { ensureWideEngines } from '../support/wide-engines.js';
import { fixture, tinyJob } from './tiny-jobs.js';

const [tensorrt, onnxruntime] = BACKENDS as [(typeof BACKENDS)[0], (typeof BACKENDS)[0]];

const PACKAGE = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
const { version: VERSION } = JSON.parse(PACKAGE) as { version: string };

afterEach(() => vi.unstubAllEnvs());

describe('the tensorrt backend where something is missing', () => {
  let dir: string;
  const addon = (source: string) => {
    const path = join(dir, 'addon.cjs');
    writeFileSync(path, `exports.version = ${JSON.stringify(VERSION)}; ${source}`);
    vi.stubEnv('T2I_ADDON', path);
  };
  const device = `exports.devices = () => ({ available: true, devices: [{ index: 0, name: 'card' }] });`;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 't2i-missing-'));
  });
  afterEach(() => rmSync(dir, { recursive: true }));

  it('lets auto take the processor and say why, without a process to look for libraries', async () => {
    addon(`exports.devices = () => ({ available: false, reason: 'no driver', hint: 'Get one.', devices: [] });
      require('node:fs').appendFileSync(__dirname + '/pids', process.pid + '\\n');`);
    expect(await tensorrt.probe()).toEqual({ available: false, reason: 'no driver', hint: 'Get one.' });
    expect(readFileSync(join(dir, 'pids'), 'utf8')).toBe(`${process.pid}\n`);
    await using pipeline = await Pipeline.load({ model: fixture('tiny'), threads: 1 });
    expect(pipeline.backend).toMatchObject({
      name: 'onnxruntime',
      tried: [{ name: 'tensorrt', reason: 'no driver', hint: 'Get one.' }],
    });
  });

  it('is an error where it was named, and for auto under strict', async () => {
    vi.stubEnv('T2I_ADDON', join(dir, 'gone.node'));
    const refused = { code: 'BACKEND_UNAVAILABLE', message: expect.stringMatching(/gone\.node: no such file/) };
    const load = (options: object) => Pipeline.load({ model: fixture('tiny'), ...options });
    await expect(load({ backend: 'tensorrt' })).rejects.toMatchObject(refused);
    await expect(load({ strict: true })).rejects.toMatchObject(refused);
    const model = await describeModel(fixture('tiny'));
    await expect(tensorrt.open(model)).rejects.toMatchObject(refused);
  });

  it('names the version of an addon that is not this package’s', async () => {
    addon('exports.version = "0.0.1";');
    expect(await tensorrt.probe()).toMatchObject({
      available: false,
      reason: expect.stringMatching(/built for .* 0\.0\.1/),
    });
  });

  it('names the devices that there are', async () => {
    addon(device);
    expect(await tensorrt.probe({ device: 3 })).toMatchObject({ reason: 'There is no GPU 3; there is 0 (card)' });
  });

  it('survives a library that crashes whoever looks at it', async () => {
    addon(`${device} exports.libraries = () => process.abort();`);
    const { reason, hint } = (await tensorrt.probe()) as { reason: string; hint: string };
    expect(reason).toMatch(/libraries could not be looked at: .*ended \(SIGABRT\)/s);
    expect(hint).not.toBe('');
  });

  it('says what is wrong with each library, and what helps', async () => {
    const library = { kind: 'full', version: '11.0.0', path: '/x/libnvinfer.so.11', canBuild: false, notes: [] };
    const problem = { ...library, problem: 'its parser is of major version 10', hint: 'Install one of 11.' };
    addon(`${device} exports.libraries = () => [${JSON.stringify(problem)}];`);
    expect(await tensorrt.probe()).toEqual({
      available: false,
      reason: 'No TensorRT will do: /x/libnvinfer.so.11: its parser is of major version 10',
      hint: 'Install one of 11.',
    });
    addon(`${device} exports.libraries = () => [];`);
    expect(await tensorrt.probe()).toMatchObject({
      reason: 'No TensorRT was found',
      hint: expect.stringContaining('T2I_TENSORRT_LIB_DIR'),
    });
  });

  it('searches the folder of the option, before that of the variable', async () => {
    vi.stubEnv('T2I_TENSORRT_LIB_DIR', '/of/the/variable');
    addon(`${device} exports.libraries = (search) => { throw new Error(JSON.stringify(search)); };`);
    expect(await tensorrt.probe()).toMatchObject({ reason: expect.stringContaining('{"only":"/of/the/variable"}') });
    const option = await tensorrt.probe({ tensorrtLibDir: '/of/the/option' });
    expect(option).toMatchObject({ reason: expect.stringContaining('{"only":"/of/the/option"}') });
  });
});

describe('a tensorrt session that fails', skipFor(noBuild('sim')), () => {
  let sim: SimTensorrt;
  let model: ModelDescription;
  let session: Session;
  let failCall: (n: number, kind: 'none' | 'out_of_memory' | 'launch' | 'sticky') => void;

  beforeAll(async () => {
    sim = simTensorrt(11) as SimTensorrt;
    sim.use();
    model = await describeModel(fixture('tiny'));
    await sim.build(model);
    ({ failCall } = (loadAddon().addon as NativeAddon & { sim: { failCall: typeof failCall } }).sim);
  });
  beforeEach(async () => {
    sim.use();
    session = await sim.backend.open(model);
  });
  afterEach(async () => {
    failCall(0, 'none');
    await session.close();
  });
  afterAll(() => sim.cleanUp());

  it('for want of memory fails the one job: the next gives its image', async () => {
    const job = tinyJob(model, { seeds: [1, 2], latentSize: 8 });
    failCall(1, 'out_of_memory');
    await expect(session.generate(job)).rejects.toMatchObject({ code: 'OUT_OF_MEMORY' });
    failCall(0, 'none');
    expect((await session.generate(job)).images).toEqual(await toyImages(model, job));
  });

  it('with a lost device fails fast from then on, and opening another does too', async () => {
    const lost = { code: 'DEVICE_LOST', hint: expect.stringMatching(/new process/) };
    failCall(1, 'sticky');
    await expect(session.generate(tinyJob(model))).rejects.toMatchObject(lost);
    await expect(session.generate(tinyJob(model))).rejects.toMatchObject(lost);
    await expect(sim.backend.open(model)).rejects.toMatchObject({ code: 'DEVICE_LOST' });
  });

  it('to capture a step draws on the plain stream, warns, and is refused under strict', async () => {
    const strict = await sim.backend.open(model, { strict: true });
    const sizes = [4, 6, 8, 10, 12, 14, 16];
    const warned: string[] = [];
    const refused: unknown[] = [];
    // Some call among the first ones of a new size is the capture.
    for (let call = 1; call <= 60 && (warned.length === 0 || refused.length === 0); call++) {
      const job = tinyJob(model, { latentSize: sizes[call % sizes.length] as number });
      failCall(call, 'launch');
      const result = await session.generate(job).catch(() => null);
      if (result?.warnings?.length) {
        warned.push(...result.warnings);
        expect(result.images).toEqual(await toyImages(model, job));
      }
      failCall(call, 'launch');
      await strict.generate(job).catch((error) => /strict forbids/.test(error.message) && refused.push(error));
    }
    expect(warned[0]).toMatch(/graph/);
    expect(refused[0]).toMatchObject({ code: 'BACKEND_FAILED' });
    await strict.close();
  });

  it.each([
    ['null-engine', 'BACKEND_FAILED'],
    ['null-runtime', 'BACKEND_FAILED'],
    ['garbage-pointer', 'BACKEND_FAILED'],
    ['null-context', 'OUT_OF_MEMORY'],
  ])('to open by %s says %s', async (failure, code) => {
    // What is open lends its engines to the next session, which then reads none.
    await session.close();
    vi.stubEnv('T2I_FAKE_TENSORRT', failure);
    const error = await sim.backend.open(model).catch((caught) => caught);
    expect(error).toMatchObject({ name: 'T2IError', code });
  });

  it('refuses an engine that took the place of the one it was opened for, before TensorRT sees a byte', async () => {
    const { engines } = await ensureWideEngines(model, toyReference);
    const { textEncoder, unet, vaeDecoder } = engines;
    const request: SessionRequest = {
      device: 0,
      library: '/no/such/library',
      files: { textEncoder: textEncoder.path, unet: textEncoder.path, vaeDecoder: vaeDecoder.path },
      model: nativeModel(model),
      useGraph: true,
      facts: {
        runtime: session.runtime,
        engines: {
          textEncoder: textEncoder.header.serialized.sha256,
          unet: unet.header.serialized.sha256,
          vaeDecoder: vaeDecoder.header.serialized.sha256,
        },
        precisions: { textEncoder: 'fp32', unet: 'fp32', vaeDecoder: 'fp32' },
        warnings: [],
        strict: false,
      },
    };
    await expect(openNative(loadAddon().addon, request)).rejects.toMatchObject({
      code: 'ENGINE_INVALID',
      message: expect.stringContaining(textEncoder.path),
    });
  });

  it('to queue a forward is BACKEND_FAILED', async () => {
    vi.stubEnv('T2I_FAKE_TENSORRT', 'enqueue-false');
    const failing = await sim.backend.open(model);
    await expect(failing.generate(tinyJob(model))).rejects.toMatchObject({ code: 'BACKEND_FAILED' });
    await failing.close();
  });

  it('over numbers that are none says so', async () => {
    vi.stubEnv('T2I_FAKE_TENSORRT', 'nan');
    const failing = await sim.backend.open(model);
    await expect(failing.generate(tinyJob(model))).rejects.toMatchObject({
      code: 'BACKEND_FAILED',
      message: expect.stringMatching(/NaN|no number/),
    });
    await failing.close();
  });

  it.each([
    ['fp32', withHalfDecoder],
    ['bf16', withBf16Decoder],
  ])(
    'in half precision warns with every image that the decoder runs in %s, and is refused under strict',
    async (precision, written) => {
      const { dir } = await written();
      vi.stubEnv('T2I_FAKE_TENSORRT', 'fp16-overflow');
      const half = await describeModel(dir);
      const opened = await sim.backend.open(half);
      expect(opened.precisions).toEqual({ textEncoder: 'fp32', unet: 'fp32', vaeDecoder: precision });
      const job = tinyJob(half, { latentSize: half.nativeSize.width / half.vaeFactor });
      for (let image = 0; image < 2; image++) {
        expect((await opened.generate(job)).warnings).toEqual([
          expect.stringContaining(`vae_decoder: runs in ${precision}, for `),
        ]);
      }
      await opened.close();
      await expect(sim.backend.open(half, { strict: true })).rejects.toMatchObject({
        code: 'BACKEND_FAILED',
        message: expect.stringContaining(`strict forbids fallbacks: vae_decoder: runs in ${precision}, for `),
      });
    },
  );

  it('its accuracy check lets auto take the processor, which says why; a session of its own name is refused', async () => {
    vi.stubEnv('T2I_ENGINE_CACHE', scratchFolder('t2i-inaccurate-'));
    vi.stubEnv('T2I_FAKE_TENSORRT', 'inaccurate');
    const backends = [sim.backend, onnxruntime];
    const options = { threads: 1 };
    const opened = await openSelected(await selectBackend('auto', options, backends), model, options);
    expect(opened).toMatchObject({ backend: { name: 'onnxruntime' } });
    expect(opened.tried).toEqual([
      { name: 'tensorrt', reason: expect.stringMatching(/similarity|error/), hint: expect.any(String) },
    ]);
    await opened.session.close();
    await expect(sim.backend.open(model)).rejects.toMatchObject({ code: 'ENGINE_INACCURATE' });
  });

  it('while engines are built tells how far it is, and ends with the reason of an abort', async () => {
    vi.stubEnv('T2I_ENGINE_CACHE', scratchFolder('t2i-progress-'));
    const phases = new Set<string>();
    const opened = await sim.backend.open(model, {
      onProgress: (progress) => {
        if (progress.phase === 'download') throw new Error('nothing is fetched here');
        const { phase, network, fraction } = progress;
        expect(fraction).toBeGreaterThanOrEqual(0);
        expect(fraction).toBeLessThanOrEqual(1);
        phases.add(`${phase} ${network}`);
      },
    });
    await opened.close();
    const all = ['build', 'check'].flatMap((phase) =>
      ['textEncoder', 'unet', 'vaeDecoder'].map((n) => `${phase} ${n}`),
    );
    expect([...phases].toSorted()).toEqual(all);
    vi.stubEnv('T2I_ENGINE_CACHE', scratchFolder('t2i-abort-'));
    vi.stubEnv('T2I_FAKE_TENSORRT', 'slow-build');
    const controller = new AbortController();
    const opening = sim.backend.open(model, {
      signal: controller.signal,
      onProgress: () => controller.abort('enough'),
    });
    await expect(opening).rejects.toBe('enough');
  });
});
