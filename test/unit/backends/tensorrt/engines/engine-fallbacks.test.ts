import { copyFileSync, existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { EngineProgress } from '../../../../../src/backends/backend.js';
import { readEngineFile } from '../../../../../src/backends/tensorrt/engines/engine-file.js';
import { ensureEngines, previewBuild } from '../../../../../src/backends/tensorrt/engines/model-engines.js';
import type { ModelDescription } from '../../../../../src/model/description.js';
import { describeModel } from '../../../../../src/model/layout.js';
import { fixture } from '../../../../contract/tiny-jobs.js';
import { childrenHere, started } from '../../../../support/children-here.js';
import { engineFolder, failure } from '../../../../support/engines.js';
import { FakeTensorrt, GPU } from '../../../../support/fake-tensorrt.js';
import { withBf16Decoder, withHalfDecoder, writeBf16 } from '../../../../support/sim-machine.js';

childrenHere();

const HALF = 'vae_decoder/model.fp16.onnx';
const BF16 = 'vae_decoder/model.bf16.onnx';
const tiny = () => describeModel(fixture('tiny'));
/** Engines whose graph's path has one of those names in it give what is no number. */
const overflows =
  (...names: string[]) =>
  (onnx: string, values: Float32Array) => {
    if (names.some((name) => onnx.includes(name))) values.fill(Number.NaN);
  };
const older = { ...GPU, computeCapability: '7.5' };
const refused = (code: string) => Object.assign(new Error('no kernel'), { code });

describe('an engine that computes something else', () => {
  it.each([
    ['no numbers', Number.NaN, /gives \d+ of \d+ values that are infinite or no numbers/],
    ['other numbers', 0.1, /differs from toy 1\.0/],
  ])('(%s) never enters the cache', async (_, off, message) => {
    const fake = new FakeTensorrt(await tiny());
    fake.spoil = (_onnx, values) => values.set(values.map((value) => value + off));
    const options = fake.options();
    const error = await failure(ensureEngines(options));
    expect(error).toMatchObject({ code: 'ENGINE_INACCURATE', message: expect.stringMatching(message) });
    expect(readdirSync(options.dir)).toEqual([]);
  });

  it('is no engine where it has no output of that name', async () => {
    const fake = new FakeTensorrt(await tiny());
    Object.assign(fake.loaded.addon, { runEngine: async () => ({}) });
    expect((await failure(ensureEngines(fake.options()))).code).toBe('ENGINE_INACCURATE');
  });

  it('or loses the device when it is first run says so', async () => {
    const fake = new FakeTensorrt(await tiny());
    Object.assign(fake.loaded.addon, { runEngine: () => Promise.reject(refused('DEVICE_LOST')) });
    expect(await failure(ensureEngines(fake.options()))).toMatchObject({ code: 'DEVICE_LOST', message: 'no kernel' });
  });

  it('or crashes when it is first run takes no one along', async () => {
    const fake = new FakeTensorrt(await tiny());
    fake.spoil = () => void started.at(-1)?.kill('SIGABRT');
    const options = fake.options();
    const error = await failure(ensureEngines(options));
    expect(error).toMatchObject({ code: 'BACKEND_CRASHED', message: expect.stringContaining('SIGABRT') });
    expect(readdirSync(options.dir)).toEqual([]);
  });
});

describe('a decoder that overflows in half precision', () => {
  it('is built in float32 instead, with a warning, once', async () => {
    const fake = new FakeTensorrt(await withHalfDecoder());
    fake.spoil = overflows(HALF);
    const options = fake.options();
    expect((await previewBuild(options)).engines[1]).toMatchObject({ precision: 'fp16', otherwise: ['fp32'] });
    const { header, warnings, notes } = (await ensureEngines(options)).engines.vaeDecoder;
    expect(header).toMatchObject({ precision: 'fp32', onnx: { file: 'model.onnx' } });
    expect(header.fallback).toContain('infinite or no numbers');
    expect([warnings, notes]).toEqual([[`vae_decoder: runs in fp32, for ${header.fallback}`], []]);
    expect(fake.built).toEqual(['text_encoder/model.onnx', HALF, 'vae_decoder/model.onnx', 'unet/model.onnx']);
    const again = await ensureEngines(options);
    expect(again.engines.vaeDecoder).toMatchObject({ built: false, warnings });
    expect((await previewBuild(options)).engines[1]).toMatchObject({ present: true, precision: 'fp32', otherwise: [] });
  });

  it('is refused where it does so in float32 too, each built once', async () => {
    const fake = new FakeTensorrt(await withHalfDecoder());
    fake.spoil = overflows('vae_decoder/');
    const error = await failure(ensureEngines(fake.options()));
    expect(error).toMatchObject({ code: 'ENGINE_INACCURATE', message: expect.stringContaining('(fp32)') });
    expect(fake.built.slice(1)).toEqual([HALF, 'vae_decoder/model.onnx']);
  });

  it('is not built in float32 for any other failure', async () => {
    const fake = new FakeTensorrt(await withHalfDecoder());
    fake.building = ({ onnx }) => (onnx.endsWith(HALF) ? Promise.reject(refused('ENGINE_BUILD_FAILED')) : undefined);
    expect((await failure(ensureEngines(fake.options()))).message).toBe('no kernel');
  });

  it('stays in half precision where it is well there', async () => {
    const fake = new FakeTensorrt(await withHalfDecoder());
    const { header } = (await ensureEngines(fake.options())).engines.vaeDecoder;
    expect(header).toMatchObject({ precision: 'fp16', fallback: null, onnx: { file: 'model.fp16.onnx' } });
  });
});

describe('an engine that was built unchecked', () => {
  const unchecked = async (model: ModelDescription) => {
    const fake = new FakeTensorrt(model);
    const options = fake.options();
    return { fake, options, engines: (await ensureEngines({ ...options, reference: null })).engines };
  };

  it('says so, and is checked on its first use, the result kept in its file', async () => {
    const { fake, options, engines } = await unchecked(await withHalfDecoder());
    expect(engines.unet.header.accuracy).toBeNull();
    expect(engines.unet.notes).toEqual(['unet: not checked, for it cannot be run here; the first use does']);
    expect(fake.runs).toEqual([]);
    expect((await ensureEngines({ ...options, reference: null })).engines.unet.header.accuracy).toBeNull();
    const found = await ensureEngines(options);
    expect(found.engines.unet).toMatchObject({ built: false, notes: [], header: { accuracy: { similarity: 1 } } });
    expect((await readEngineFile(found.engines.unet.path)).header).toEqual(found.engines.unet.header);
    expect(found.engines.vaeDecoder.header.precision).toBe('fp16');
    await ensureEngines(options);
    expect(fake.runs).toHaveLength(3);
  });

  it('is removed where it fails that, and the decoder falls back', async () => {
    const { fake, options, engines } = await unchecked(await withHalfDecoder());
    fake.spoil = overflows(HALF);
    const { header } = (await ensureEngines(options)).engines.vaeDecoder;
    expect(existsSync(engines.vaeDecoder.path)).toBe(false);
    expect(header).toMatchObject({ precision: 'fp32', fallback: expect.stringContaining('infinite') });
    // It was refused a moment ago: it is not built to be refused again.
    expect(fake.built.slice(3)).toEqual(['vae_decoder/model.onnx']);
  });

  it('is removed and refused where there is nothing to fall back to', async () => {
    const { fake, options, engines } = await unchecked(await tiny());
    fake.spoil = overflows('unet/');
    expect((await failure(ensureEngines(options))).code).toBe('ENGINE_INACCURATE');
    expect([existsSync(engines.unet.path), existsSync(engines.vaeDecoder.path)]).toEqual([false, true]);
    expect(fake.built).toHaveLength(3);
  });

  it('stays where its check could not be made, and may be well', async () => {
    const { fake, options, engines } = await unchecked(await tiny());
    fake.spoil = () => void started.at(-1)?.kill('SIGKILL');
    expect((await failure(ensureEngines(options))).code).toBe('BACKEND_CRASHED');
    expect(existsSync(engines.textEncoder.path)).toBe(true);
  });

  it('is used although the result of its check cannot be kept', async () => {
    const { options, engines } = await unchecked(await tiny());
    const onProgress = ({ phase, network, fraction }: EngineProgress) => {
      if (phase === 'check' && network === 'unet' && fraction === 1) rmSync(options.dir, { recursive: true });
    };
    const { unet } = (await ensureEngines({ ...options, onProgress })).engines;
    expect(unet).toMatchObject({ path: engines.unet.path, header: { accuracy: { similarity: 1 } } });
    expect(unet.notes[0]).toContain('unet: the result of its check could not be kept: Cannot write');
  });
});

describe('a decoder with a graph in bf16', () => {
  it('goes on to it before float32, and says what was tried', async () => {
    const fake = new FakeTensorrt(await withBf16Decoder());
    fake.spoil = overflows(HALF);
    const options = fake.options();
    expect((await previewBuild(options)).engines[1]?.otherwise).toEqual(['bf16', 'fp32']);
    const { header, warnings } = (await ensureEngines(options)).engines.vaeDecoder;
    expect([header.precision, header.insteadOf.length]).toEqual(['bf16', 1]);
    expect(warnings).toEqual([`vae_decoder: runs in bf16, for ${header.fallback}`]);
    const present = { present: true, from: 'model.bf16.onnx', precision: 'bf16', otherwise: [] };
    expect((await previewBuild(options)).engines[1]).toMatchObject(present);
  });

  it('goes on to float32 where there are no kernels in bf16', async () => {
    const fake = new FakeTensorrt(await withBf16Decoder());
    fake.spoil = overflows(HALF);
    fake.building = ({ onnx }) => (onnx.endsWith(BF16) ? Promise.reject(refused('ENGINE_BUILD_FAILED')) : undefined);
    const { header } = (await ensureEngines(fake.options())).engines.vaeDecoder;
    expect([header.precision, header.insteadOf.length]).toEqual(['fp32', 2]);
    expect(header.fallback).toMatch(/infinite.* no kernel$/);
    fake.building = ({ onnx }) => (onnx.endsWith(BF16) ? Promise.reject(refused('OUT_OF_MEMORY')) : undefined);
    expect((await failure(ensureEngines(fake.options()))).code).toBe('OUT_OF_MEMORY');
  });

  it('is built in float32 on GPUs without bf16, which the warning says', async () => {
    const fake = new FakeTensorrt(await withBf16Decoder());
    fake.spoil = overflows(HALF);
    const { header, notes } = (await ensureEngines(fake.options({ device: older }))).engines.vaeDecoder;
    expect([header.precision, notes]).toEqual(['fp32', []]);
    expect(header.fallback).toMatch(
      /infinite.* model\.bf16\.onnx is passed over: compute capability 7\.5 has no bf16$/,
    );
  });

  it('takes no engine of a worse graph where the better one was not tried', async () => {
    const fake = new FakeTensorrt(await withBf16Decoder());
    const bf16 = join(fake.model.dir, BF16);
    copyFileSync(bf16, `${bf16}.kept`);
    rmSync(bf16);
    fake.spoil = overflows(HALF);
    const options = fake.options();
    expect((await ensureEngines(options)).engines.vaeDecoder.header.precision).toBe('fp32');
    copyFileSync(`${bf16}.kept`, bf16);
    expect((await ensureEngines(options)).engines.vaeDecoder.header.precision).toBe('bf16');
  });

  it('is told from which graph it is built where the GPU has none of the best one', async () => {
    const fake = new FakeTensorrt(await withBf16Decoder());
    writeBf16(join(fake.model.dir, 'unet'));
    const options = fake.options({ device: older });
    const notes = ['unet: from model.onnx, for model.bf16.onnx is passed over: compute capability 7.5 has no bf16'];
    expect((await previewBuild(options)).engines[2]).toMatchObject({ precision: 'fp32', otherwise: [], notes });
    const { header, notes: told } = (await ensureEngines(options)).engines.unet;
    expect([header.precision, header.fallback, told]).toEqual(['fp32', null, notes]);
    expect((await previewBuild(options)).engines[2]?.notes).toEqual([]);
    const newer = (await ensureEngines(fake.options())).engines.unet;
    expect(newer.header).toMatchObject({ precision: 'bf16', onnx: { file: 'model.bf16.onnx' } });
  });

  it('is refused by name where it is the only one and the GPU has no bf16', async () => {
    const { dir } = await withBf16Decoder();
    const fake = new FakeTensorrt(await describeModel(dir));
    rmSync(join(dir, HALF));
    copyFileSync(join(dir, BF16), join(dir, 'vae_decoder/model.onnx'));
    rmSync(join(dir, BF16));
    const error = await failure(ensureEngines(fake.options({ device: older })));
    expect(error.code).toBe('ENGINE_BUILD_FAILED');
    expect(error.message).toMatch(/^vae_decoder\/model\.onnx .*compute capability 7\.5 do not have/);
    expect(error.hint).toContain('8.0 (Ampere) or newer');
    expect(fake.built).not.toContain('vae_decoder/model.onnx');
  });
});

describe('engines that are built ahead of time', () => {
  const ahead = async () => {
    const fake = new FakeTensorrt(await tiny());
    const library = fake.library({ kind: 'rtx', version: '1.3.0' });
    return { fake, options: fake.options({ library, computeCapabilities: [120, 86] }) };
  };

  it('need no GPU, and are not checked on one that they are not for', async () => {
    const { fake, options } = await ahead();
    for (const device of [null, GPU]) {
      const { engines } = await ensureEngines({ ...options, device, dir: engineFolder() });
      expect(engines.unet.header).toMatchObject({
        gpu: null,
        driver: null,
        accuracy: null,
        computeCapabilities: [86, 120],
      });
      expect(fake.builds.at(-1)).toMatchObject({ device: null, computeCapabilities: [86, 120] });
    }
    expect(fake.runs).toEqual([]);
    expect((await previewBuild(options)).engines[2]?.memory.deviceBytes).toBe(0);
  });

  it('are checked on the GPU at hand where they are for it too', async () => {
    const { options } = await ahead();
    const { engines } = await ensureEngines({ ...options, computeCapabilities: [89, 120] });
    expect(engines.unet.header).toMatchObject({ gpu: null, accuracy: { similarity: 1 } });
  });
});

describe('what memory a build may take', () => {
  it('is told before it where that is more than the GPU has', async () => {
    const fake = new FakeTensorrt(await tiny());
    const options = fake.options({ device: { ...GPU, memoryBytes: 1 } });
    const { warning } = (await previewBuild(options)).engines[2] ?? {};
    expect(warning).toMatch(/^unet: building the engine may take .* on the GPU, NVIDIA L4 has 0\.0 GiB$/);
    const details: string[] = [];
    const told = await ensureEngines({ ...options, onProgress: ({ detail }) => void details.push(detail) });
    expect(told.engines.unet.notes).toEqual([warning]);
    expect(details).toContain(`from model.onnx; ${warning}`);
  });
});
