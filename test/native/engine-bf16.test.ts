import { copyFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ensureEngines, previewBuild } from '../../src/backends/tensorrt/engines/model-engines.js';
import { describeModel } from '../../src/model/layout.js';
import { failure } from '../support/engines.js';
import { noBuild } from '../support/native.js';
import { failWith, setCompute, simMachine, simOptions, withBf16Decoder, writeBf16 } from '../support/sim-machine.js';
import { skipFor } from '../support/skip-for.js';

const OVERFLOW = 'The engine of vae_decoder (fp16) gives 3072 of 3072 values that are infinite or no numbers.';

describe('the engine of a decoder that overflows in fp16', skipFor(noBuild('sim')), () => {
  it('is built in bf16 on Ampere and newer, with a warning, once', async () => {
    setCompute(80);
    const options = await simOptions({ model: await withBf16Decoder() });
    expect((await previewBuild(options)).engines[1]).toMatchObject({
      from: 'model.fp16.onnx',
      precision: 'fp16',
      otherwise: ['bf16', 'fp32'],
      notes: [],
    });
    failWith('fp16-overflow');
    const { header, warnings } = (await ensureEngines(options)).engines.vaeDecoder;
    expect(header).toMatchObject({
      precision: 'bf16',
      onnx: { file: 'model.bf16.onnx' },
      fallback: OVERFLOW,
      accuracy: { similarity: expect.closeTo(1, 4) },
    });
    expect(header.insteadOf).toHaveLength(1);
    expect(warnings).toEqual([`vae_decoder: runs in bf16, for ${OVERFLOW}`]);
    expect((await ensureEngines(options)).engines.vaeDecoder).toMatchObject({ built: false, warnings });
    expect((await previewBuild(options)).engines[1]).toMatchObject({
      present: true,
      from: 'model.bf16.onnx',
      precision: 'bf16',
      otherwise: [],
    });
  });

  it('is built in float32 on older GPUs, which have no bf16, and says so', async () => {
    setCompute(75);
    const options = await simOptions({ model: await withBf16Decoder() });
    failWith('fp16-overflow');
    const { header, warnings } = (await ensureEngines(options)).engines.vaeDecoder;
    const passedOver = 'model.bf16.onnx is passed over: compute capability 7.5 has no bf16';
    expect(header).toMatchObject({ precision: 'fp32', fallback: `${OVERFLOW} ${passedOver}` });
    expect(warnings).toEqual([`vae_decoder: runs in fp32, for ${header.fallback}`]);
  });

  it.each([
    [
      'is too coarse in bf16',
      'bf16-inaccurate',
      /\(bf16\) differs from toy 1\.0: .*largest error 0\.\d+ .* at most 0\.05 /,
    ],
    ['cannot be built in it', 'bf16-build-fails', /Could not find any implementation for node/],
  ])('is built in float32 where it %s, and says both', async (_, failures, message) => {
    const options = await simOptions({ model: await withBf16Decoder() });
    failWith(`fp16-overflow,${failures}`);
    const { header } = (await ensureEngines(options)).engines.vaeDecoder;
    expect(header).toMatchObject({ precision: 'fp32', fallback: expect.stringContaining(OVERFLOW) });
    expect(header.fallback).toMatch(message);
    expect(header.insteadOf).toHaveLength(2);
    expect((await ensureEngines(options)).engines.vaeDecoder.built).toBe(false);
  });

  it('is built in bf16 although there is one in float32, where bf16 was not tried before', async () => {
    const options = await simOptions({ model: await withBf16Decoder() });
    const bf16 = join(options.model.dir, 'vae_decoder/model.bf16.onnx');
    copyFileSync(bf16, `${bf16}.kept`);
    rmSync(bf16);
    failWith('fp16-overflow');
    expect((await ensureEngines(options)).engines.vaeDecoder.header.precision).toBe('fp32');
    copyFileSync(`${bf16}.kept`, bf16);
    expect((await ensureEngines(options)).engines.vaeDecoder.header.precision).toBe('bf16');
  });

  it('stays in bf16 when it is first checked on a GPU, and goes on to float32 where it fails that', async () => {
    const options = await simOptions({ model: await withBf16Decoder() });
    rmSync(join(options.model.dir, 'vae_decoder/model.fp16.onnx'));
    const unchecked = (await ensureEngines({ ...options, reference: null })).engines.vaeDecoder;
    expect(unchecked.header).toMatchObject({ precision: 'bf16', accuracy: null, fallback: null, insteadOf: [] });
    failWith('bf16-inaccurate');
    const { header } = (await ensureEngines(options)).engines.vaeDecoder;
    expect(header).toMatchObject({ precision: 'fp32', fallback: expect.stringContaining('(bf16) differs') });
  });
});

describe('a graph in bf16', skipFor(noBuild('sim')), () => {
  it('is what the other networks are built from too, where there is none in fp16 and the GPU has bf16', async () => {
    const options = await simOptions({ model: await withBf16Decoder() });
    writeBf16(join(options.model.dir, 'unet'));
    const { unet } = (await ensureEngines(options)).engines;
    expect(unet.header).toMatchObject({ precision: 'bf16', onnx: { file: 'model.bf16.onnx' }, fallback: null });

    setCompute(75);
    const older = { ...options, ...simMachine() };
    const notes = ['unet: from model.onnx, for model.bf16.onnx is passed over: compute capability 7.5 has no bf16'];
    expect((await previewBuild(older)).engines[2]).toMatchObject({ precision: 'fp32', otherwise: [], notes });
    const { header, notes: told } = (await ensureEngines(older)).engines.unet;
    expect(header).toMatchObject({ precision: 'fp32', fallback: null });
    expect(told).toContain(notes[0]);
  });

  it('is refused by name where it is the only one and the GPU has none', async () => {
    const { dir } = await withBf16Decoder();
    const model = await describeModel(dir);
    rmSync(join(dir, 'vae_decoder/model.fp16.onnx'));
    copyFileSync(join(dir, 'vae_decoder/model.bf16.onnx'), join(dir, 'vae_decoder/model.onnx'));
    rmSync(join(dir, 'vae_decoder/model.bf16.onnx'));
    setCompute(75);
    const error = await failure(ensureEngines(await simOptions({ model })));
    expect(error.code).toBe('ENGINE_BUILD_FAILED');
    expect(error.message).toBe(
      'vae_decoder/model.onnx computes in bf16, which GPUs of compute capability 7.5 do not have.',
    );
    expect(error.hint).toContain('8.0 (Ampere) or newer');
  });
});
