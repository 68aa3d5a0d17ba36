import { describe, expect, it } from 'vitest';
import type { EnsuredEngines } from '../../../src/backends/engines.js';
import { printBuilt, printPreview } from '../../../src/cli/build-engine/report.js';
import { type DoctorReport, printReport, printSelfCheck } from '../../../src/cli/doctor/print-report.js';
import { headerOf } from '../../support/engines.js';
import { fakeIo } from '../../support/fake-io.js';

const lines = (out: string) =>
  out
    .trimEnd()
    .split('\n')
    .map((line) => line.split(/ {2,}/));

describe('the report of t2i doctor', () => {
  const library = {
    ...{ kind: 'tensorrt', runtime: 'tensorrt', version: '10.15.1', path: '/lib/libnvinfer.so.10', canBuild: true },
    ...{ notes: [], problem: null, hint: null, chosen: true, reason: null },
  };
  const device = { index: 0, name: 'NVIDIA T4', computeCapability: '7.5', memoryBytes: 2 ** 34 };
  const report = (changes: object = {}, gpu: object = {}): DoctorReport =>
    ({
      machine: { t2i: '0.1.0', node: '20.1.0', platform: 'linux x64', cpu: 'two cores', memoryBytes: 3 * 2 ** 29 },
      model: { found: true, detail: '/models/default' },
      imageFiles: { available: true, detail: 'sharp 1' },
      backends: [{ name: 'onnxruntime', available: true, detail: 'onnxruntime-node 1.30.0' }],
      gpu: {
        addon: { path: '/addon.node', version: '1' },
        devices: { driver: '13.1', runtime: '13.0', available: true, reason: '', hint: '', devices: [device] },
        libraries: [library],
        engines: { dir: '/engines', files: 2, bytes: 2048 },
        ...gpu,
      },
      ...changes,
    }) as unknown as DoctorReport;
  const printed = (given: DoctorReport) => {
    const io = fakeIo();
    printReport(given, io);
    return lines(io.out());
  };

  it('marks what is there', () => {
    expect(printed(report())).toEqual([
      ['t2i', '0.1.0'],
      ['node', '20.1.0'],
      ['platform', 'linux x64'],
      ['processor', 'two cores'],
      ['memory', '1.5 GiB'],
      ['default model', 'ok', '/models/default'],
      ['image files', 'ok', 'sharp 1'],
      ['backend onnxruntime', 'ok', 'onnxruntime-node 1.30.0'],
      ['native addon', 'ok', '/addon.node 1'],
      ['cuda', 'ok', expect.stringMatching(/^driver for CUDA 13\.1, .*; addon built with CUDA 13\.0$/)],
      ['gpu 0', 'NVIDIA T4, compute capability 7.5 (no bf16), 16 GiB'],
      ['tensorrt', 'ok', '10.15.1 (tensorrt, builds and runs engines) /lib/libnvinfer.so.10'],
      ['engine cache', '/engines'],
      ['', '2 engines, 2.0 KiB'],
    ]);
  });

  it('says what helps below what is missing', () => {
    const missing = (what: string) => ({ available: false, reason: `no ${what}`, hint: `get ${what}` });
    const rows = printed(
      report(
        {
          model: { found: false, detail: 'no model', hint: 'get a model' },
          imageFiles: missing('sharp'),
          backends: [{ name: 'onnxruntime', ...missing('runtime') }],
        },
        {
          ...{ addon: { reason: 'no addon', hint: 'get an addon' }, devices: null },
          ...{
            libraries: { reason: 'no libraries', hint: 'get libraries' },
            engines: { reason: 'no folder', hint: '' },
          },
        },
      ),
    );
    expect(rows.slice(5)).toEqual([
      ['default model', 'no', 'no model'],
      ['', 'help: get a model'],
      ['image files', 'no', 'no sharp'],
      ['', 'help: get sharp'],
      ['backend onnxruntime', 'no', 'no runtime'],
      ['', 'help: get runtime'],
      ['native addon', 'no', 'no addon'],
      ['', 'help: get an addon'],
      ['tensorrt', 'no', 'no libraries'],
      ['', 'help: get libraries'],
      ['engine cache', 'no', 'no folder'],
    ]);
  });

  it('says why a TensorRT is not used, and how to get one', () => {
    const unused = { ...library, version: '9.0', chosen: false, reason: 'there is a newer one', notes: ['it is old'] };
    const broken = { ...library, chosen: false, problem: 'it does not open', hint: 'install it anew' };
    const runtime = { ...library, kind: 'lean', canBuild: false };
    const rows = printed(report({}, { libraries: [runtime, unused, broken] }));
    expect(rows.slice(11, 17)).toEqual([
      ['tensorrt', 'ok', '10.15.1 (lean, runs engines) /lib/libnvinfer.so.10'],
      ['tensorrt', '9.0 (tensorrt, builds and runs engines) /lib/libnvinfer.so.10'],
      ['', 'not used: there is a newer one'],
      ['', 'it is old'],
      ['tensorrt', 'no', 'it does not open'],
      ['', 'help: install it anew'],
    ]);
    expect(printed(report({}, { libraries: [] })).slice(11, 13)).toEqual([
      ['tensorrt', 'no', 'none was found'],
      ['', expect.stringContaining('pip install tensorrt')],
    ]);
    const noDriver = {
      driver: null,
      runtime: null,
      available: false,
      reason: 'no driver',
      hint: 'get it',
      devices: [],
    };
    expect(printed(report({}, { devices: noDriver })).slice(9, 11)).toEqual([
      ['cuda', 'no', 'no driver'],
      ['', 'help: get it'],
    ]);
  });

  it('shows the checks of a GPU, or why there were none', () => {
    const io = fakeIo();
    const checks = [
      { name: 'step kernel', ok: true, detail: 'every bit is equal', numbers: {} },
      { name: 'engine', ok: false, detail: 'too far apart', numbers: {}, hint: 'update the driver' },
    ];
    printSelfCheck({ measured: true, device: 'NVIDIA T4', checks }, io);
    printSelfCheck({ measured: false, reason: 'no GPU', hint: 'get one' }, io);
    expect(lines(io.out())).toEqual([
      ['checked on', 'NVIDIA T4'],
      ['check step kernel', 'ok', 'every bit is equal'],
      ['check engine', 'failed', 'too far apart'],
      ['', 'help: update the driver'],
      ['self-check', 'no', 'not measured on hardware: no GPU'],
      ['', 'help: get one'],
    ]);
  });
});

describe('the report of t2i build-engine', () => {
  const engine = (component: 'text_encoder' | 'unet' | 'vae_decoder', more: object = {}) => ({
    ...{ path: `/cache/${component}.engine`, header: headerOf({ component, ...more }), built: true },
    ...{ warnings: [`${component} is slow`], notes: [`${component} is new`], log: ['a line'] },
  });
  const built = {
    engines: {
      textEncoder: { ...engine('text_encoder'), built: false, warnings: [], notes: [] },
      unet: engine('unet', { precision: 'bf16', accuracy: null }),
    },
  } as unknown as EnsuredEngines;

  it('tells what was built in which time and what was found, then what is odd', () => {
    const io = fakeIo();
    printBuilt('tiny', built, () => 65, false, io);
    const shape = '1x4x16x16..8x4x16x16';
    expect(lines(io.out())).toEqual([
      ['network', 'engine', 'precision', 'profile', 'accuracy', 'size', 'file'],
      ['text_encoder', 'found', 'fp16', shape, '0.999900', '2.9 KiB', '/cache/text_encoder.engine'],
      ['unet', 'built in 1 min 5 s', 'bf16', shape, 'not checked', '2.9 KiB', '/cache/unet.engine'],
    ]);
    expect(io.err()).toBe('warning: unet is slow\nnote: unet is new\n');
  });

  it('tells programs the same, with the headers', () => {
    const io = fakeIo();
    printBuilt('tiny', built, () => 65, true, io);
    expect(JSON.parse(io.out())).toMatchObject({
      model: 'tiny',
      engines: [
        { component: 'text_encoder', built: false, seconds: 0, file: '/cache/text_encoder.engine', warnings: [] },
        {
          component: 'unet',
          built: true,
          seconds: 65,
          header: { precision: 'bf16' },
          notes: ['unet is new'],
          log: ['a line'],
        },
      ],
    });
    expect(io.err()).toBe('');
  });

  it('tells what a build would do and need, and warns of what it would lack', () => {
    const preview = (component: string, more: object) => ({
      ...{ component, path: `/cache/${component}.engine`, from: 'model.onnx', precision: 'fp16', otherwise: ['fp32'] },
      ...{ shapes: [], notes: [`note of ${component}`], warning: `warning of ${component}` },
      ...{ memory: { hostBytes: 1024, deviceBytes: 1024 }, present: false, ...more },
    });
    const given = {
      model: 'tiny',
      engines: [preview('unet', {}), preview('vae_decoder', { present: true, otherwise: [] })],
    };
    const [io, json] = [fakeIo(), fakeIo()];
    printPreview(given as unknown as Parameters<typeof printPreview>[0], false, io);
    expect(lines(io.out())).toEqual([
      ['network', 'engine', 'precision', 'profile', 'memory', 'file'],
      ['unet', 'would be built from model.onnx', 'fp16, else fp32', 'fixed', '2.0 KiB', '/cache/unet.engine'],
      ['vae_decoder', 'found', 'fp16', 'fixed', '/cache/vae_decoder.engine'],
    ]);
    expect(io.err()).toBe('warning: warning of unet\nnote: note of unet\nnote: note of vae_decoder\n');
    printPreview(given as unknown as Parameters<typeof printPreview>[0], true, json);
    expect(JSON.parse(json.out())).toMatchObject({
      model: 'tiny',
      engines: [{ file: '/cache/unet.engine' }, { present: true }],
    });
    expect(JSON.parse(json.out()).engines[0]).not.toHaveProperty('path');
  });
});
