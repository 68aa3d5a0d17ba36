import { appendFileSync, existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { EngineProgress } from '../../src/backends/backend.js';
import { listEngines } from '../../src/backends/tensorrt/engines/engine-cache.js';
import { readEngineFile } from '../../src/backends/tensorrt/engines/engine-file.js';
import { ensureEngines, previewBuild } from '../../src/backends/tensorrt/engines/model-engines.js';
import { defaultProfile } from '../../src/backends/tensorrt/engines/profiles.js';
import { failure } from '../support/engines.js';
import { noBuild } from '../support/native.js';
import { failWith, simOptions, withHalfDecoder } from '../support/sim-machine.js';
import { skipFor } from '../support/skip-for.js';

describe('engines that are checked on the simulated device', skipFor(noBuild('sim')), () => {
  it.each([
    ['nan', /gives \d+ of \d+ values that are infinite or no numbers/],
    ['inaccurate', /differs from toy 1\.0: .*largest error 0\.1/],
  ])('that compute something else (%s) never enter the cache', async (failures, message) => {
    const options = await simOptions();
    failWith(failures);
    const error = await failure(ensureEngines(options));
    expect(error.code).toBe('ENGINE_INACCURATE');
    expect(error.message).toMatch(message);
    expect((await listEngines(options.dir)).map((entry) => 'header' in entry && entry.header.component)).not.toContain(
      'vae_decoder',
    );
  });

  it('of a decoder that overflows in half precision are built in float32, with a warning, once', async () => {
    const options = await simOptions({ model: await withHalfDecoder() });
    failWith('fp16-overflow');
    const { engines } = await ensureEngines(options);
    const { header, warnings } = engines.vaeDecoder;
    expect(header).toMatchObject({ precision: 'fp32', onnx: { file: 'model.onnx' } });
    expect(header.fallback).toContain('values that are infinite or no numbers');
    expect(warnings).toEqual([`vae_decoder: runs in fp32, for ${header.fallback}`]);
    const again = await ensureEngines(options);
    expect(again.engines.vaeDecoder).toMatchObject({ built: false, warnings });
    expect((await previewBuild(options)).engines.map(({ present }) => present)).toEqual([true, true, true]);
  });

  it('of a decoder that is exported anew are tried in half precision again', async () => {
    const options = await simOptions({ model: await withHalfDecoder() });
    failWith('fp16-overflow');
    await ensureEngines(options);
    failWith('');
    const file = join(options.model.dir, 'vae_decoder/model.fp16.onnx');
    // An unknown field of the protobuf message changes nothing but the bytes.
    appendFileSync(file, Uint8Array.of(0xf8, 0x07, 0));
    const { vaeDecoder } = (await ensureEngines({ ...options, reference: null })).engines;
    expect(vaeDecoder).toMatchObject({ built: true, warnings: [], header: { precision: 'fp16', insteadOf: [] } });
  });

  it('of a decoder from before its half precision say nothing of the profile of the others', async () => {
    const options = await simOptions();
    await ensureEngines(options);
    const model = await withHalfDecoder();
    const { profile } = await previewBuild({ ...options, model, profile: null });
    expect(profile).toEqual(defaultProfile(model));
  });

  it('of a decoder that is well in half precision stay in it', async () => {
    const { engines } = await ensureEngines(await simOptions({ model: await withHalfDecoder() }));
    expect(engines.vaeDecoder.header).toMatchObject({
      precision: 'fp16',
      fallback: null,
      onnx: { file: 'model.fp16.onnx' },
    });
  });

  it('that could not be checked when they were built are checked on their first use', async () => {
    const options = await simOptions({ model: await withHalfDecoder() });
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
    const options = await simOptions({ model: await withHalfDecoder() });
    const { engines } = await ensureEngines({ ...options, reference: null });
    failWith('fp16-overflow');
    const after = await ensureEngines(options);
    expect(existsSync(engines.vaeDecoder.path)).toBe(false);
    expect(after.engines.vaeDecoder.header).toMatchObject({
      precision: 'fp32',
      fallback: expect.stringContaining('infinite'),
    });

    const other = await simOptions();
    const unchecked = await ensureEngines({ ...other, reference: null });
    failWith('nan');
    expect((await failure(ensureEngines(other))).code).toBe('ENGINE_INACCURATE');
    expect(existsSync(unchecked.engines.vaeDecoder.path)).toBe(false);
  });
  it('that crash when they are first run take no one along', async () => {
    const options = await simOptions();
    failWith('crash-enqueue');
    const error = await failure(ensureEngines(options));
    expect(error.code).toBe('BACKEND_CRASHED');
    expect(error.message).toContain('SIGABRT');
    expect(readdirSync(options.dir)).toEqual([]);
  });
  it('are used although the result of their check cannot be kept', async () => {
    const options = await simOptions();
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
