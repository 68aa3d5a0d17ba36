import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { NetworkReference } from '../../src/backends/backend.js';
import { main } from '../../src/cli/main.js';
import { fakeIo } from '../support/fake-io.js';
import { buildFolder, noBuild } from '../support/native.js';
import { skipFor } from '../support/skip-for.js';

// Engines of the stand-in are compared with the toy networks that it computes from the file that the engine was built from.
vi.mock('../../src/backends/onnxruntime/reference.js', async () => {
  const { toyReference } = await import('../support/toy-networks.js');
  const half = <T extends { path: string }>(graph: T): T => {
    const path = graph.path.replace('model.onnx', 'model.fp16.onnx');
    return { ...graph, path: existsSync(path) ? path : graph.path };
  };
  const onnxruntimeReference: NetworkReference = {
    ...toyReference,
    run: ({ textEncoder, unet, vaeDecoder, ...model }, ...rest) =>
      toyReference.run(
        { ...model, textEncoder: half(textEncoder), unet: half(unet), vaeDecoder: half(vaeDecoder) },
        ...rest,
      ),
  };
  return { onnxruntimeReference };
});

/** Engines of the default model are built, and an image is drawn on the CPU. */
const LONG = { timeout: 300_000 };
const SIM = buildFolder('sim');
const NONE = buildFolder('none');

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 't2i-cli-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));
beforeEach(() => {
  waits.length = 0;
  vi.unstubAllEnvs();
  vi.stubEnv('T2I_ENGINE_CACHE', join(folder, 'engines'));
  vi.stubEnv('T2I_TENSORRT_LIB_DIR', '');
});

/** Milliseconds that it waited, without any going by. */
const waits: number[] = [];

async function doctor(...argv: string[]) {
  const io = fakeIo({ sleep: async (milliseconds) => void waits.push(milliseconds) });
  const code = await main(['doctor', ...argv], io);
  return { code, out: io.out(), err: io.err(), report: () => JSON.parse(io.out()) };
}

/** The line of a label, with those below it that belong to it. */
function section(out: string, label: string): string {
  return new RegExp(`^${label} +(.*(?:\\n .*)*)`, 'm').exec(out)?.[1] ?? '';
}

describe('t2i doctor', () => {
  it('says what can run here', async () => {
    const { code, report } = await doctor('--json');
    const { node, model, backends, gpu } = report();
    expect(node).toBe(process.version);
    expect(backends.map(({ name }: { name: string }) => name)).toEqual(['tensorrt', 'onnxruntime', 'pytorch']);
    expect(backends[1]).toMatchObject({ available: true });
    expect(gpu.engines).toEqual({ dir: join(folder, 'engines'), files: 0, bytes: 0 });
    expect(code).toBe(model.found ? 0 : 3);
    expect((await doctor()).out).toMatch(/^backend onnxruntime +ok /m);
  });

  it('says what was tried where the addon cannot be loaded, and goes on', async () => {
    vi.stubEnv('T2I_ADDON', join(folder, 'absent.node'));
    const { out, code } = await doctor();
    expect(section(out, 'native addon')).toMatch(/^no .*absent\.node: no such file\n +help: ./s);
    expect(section(out, 'tensorrt')).toMatch(/^no /);
    expect(code).not.toBe(4);
    const checked = await doctor('--gpu');
    expect(checked.code).toBe(4);
    expect(section(checked.out, 'self-check')).toContain('not measured on hardware');
  });
});

describe('t2i doctor with an addon without CUDA', skipFor(noBuild('none')), () => {
  it('says what was not built and which command helps', async () => {
    vi.stubEnv('T2I_ADDON', join(NONE as string, 'Release/t2i.node'));
    const { out } = await doctor();
    expect(section(out, 'native addon')).toMatch(/^ok /);
    expect(section(out, 'cuda')).toMatch(/^no .*built without CUDA.*\n +help: .*T2I_CUDA_HOME/);
  });
});

describe('t2i doctor on the simulated device', skipFor(noBuild('sim')), () => {
  const fake = (major: number) => join(SIM as string, `fake-${major}`);
  const library = (major: number) => join(fake(major), `libnvinfer.so.${major}`);

  beforeEach(() => {
    vi.stubEnv('T2I_ADDON', join(SIM as string, 'Release/t2i.node'));
    vi.stubEnv('T2I_TENSORRT_LIB_DIR', fake(11));
  });

  it('shows the device, and the TensorRT that will be used', async () => {
    mkdirSync(join(folder, 'engines'), { recursive: true });
    writeFileSync(join(folder, 'engines', 'some.engine'), Buffer.alloc(3 * 2 ** 20));
    const { out } = await doctor();
    rmSync(join(folder, 'engines'), { recursive: true });
    expect(section(out, 'backend tensorrt')).toMatch(/^ok +tensorrt 11\.4\.0 on /);
    expect(section(out, 'cuda')).toMatch(/^ok +driver for CUDA 13\.0, which runs TensorRT for CUDA 13/);
    expect(section(out, 'gpu 0')).toMatch(/compute capability 8\.9, .*(GiB|MiB)/);
    expect(section(out, 'tensorrt')).toMatch(/^ok +11\.4\.0 \(full, builds and runs engines\) .*fake-11/);
    expect(section(out, 'engine cache')).toMatch(/engines\n +1 engines?, 3\.0 MiB/);
  });

  it('says of a GPU without bf16 that it has none', async () => {
    vi.stubEnv('T2I_SIM_COMPUTE', '75');
    expect(section((await doctor()).out, 'gpu 0')).toMatch(/compute capability 7\.5 \(no bf16\), /);
  });

  it('says why each of the others is not used', async () => {
    const several = mkdtempSync(join(folder, 'several-'));
    symlinkSync(library(10), join(several, 'libnvinfer.so.10'));
    symlinkSync(library(11), join(several, 'libnvinfer.so.11'));
    symlinkSync(join(fake(11), 'libnvonnxparser.so.11'), join(several, 'libnvonnxparser.so.11'));
    writeFileSync(join(several, 'libtensorrt_rtx.so.1'), 'garbage');
    vi.stubEnv('T2I_TENSORRT_LIB_DIR', several);
    const { gpu } = (await doctor('--json')).report();
    const [eleven, ten, garbage] = gpu.libraries;
    expect(gpu.libraries).toHaveLength(3);
    expect(eleven).toMatchObject({ version: '11.4.0', kind: 'full', chosen: true, reason: null });
    expect(ten).toMatchObject({ chosen: false, canBuild: false, reason: expect.stringContaining('comes before it') });
    expect(ten.notes.join(' ')).toContain('parser must be of its own major version');
    expect(garbage).toMatchObject({ chosen: false, problem: expect.stringContaining('no library that can be loaded') });
    const { out } = await doctor();
    expect(out).toMatch(/^tensorrt +no +.*libtensorrt_rtx\.so\.1 is no library/m);
    expect(out).toMatch(/not used: .*comes before it/);
  });

  it('names the folder that holds no TensorRT', async () => {
    vi.stubEnv('T2I_TENSORRT_LIB_DIR', folder);
    expect(section((await doctor()).out, 'tensorrt')).toContain(`there is no TensorRT in ${folder}`);
  });

  it('checks kernel, engine, graph, speed and image, each with numbers', LONG, async () => {
    const { code, report } = await doctor('--gpu', '--json');
    const { selfCheck } = report();
    expect(selfCheck).toMatchObject({ measured: true, device: expect.any(String) });
    const [kernel, engine, graph, speed, image] = selfCheck.checks;
    expect(kernel).toMatchObject({ name: 'step kernel', ok: true, numbers: { different: 0 } });
    expect(engine).toMatchObject({ name: 'engine', ok: true });
    expect(engine.numbers.similarity).toBeGreaterThan(0.999);
    expect(engine.detail).toContain('vae_decoder built by tensorrt 11.4.0');
    expect(graph).toMatchObject({ name: 'graph', ok: true, numbers: { steps: 10, unetMs: expect.any(Number) } });
    const time = expect.any(Number);
    const numbers = { eagerMs: time, replayedMs: time, replayedLaterMs: time };
    expect(speed).toMatchObject({ name: 'step speed', ok: true, numbers });
    expect(speed.detail).toMatch(/^eager [\d.]+ ms, replayed [\d.]+ ms, replayed after 60 s [\d.]+ ms; medians/);
    expect(waits).toEqual([60_000]);
    // The stand-in computes toy networks, which draw other images than the model does: the check has to find that.
    expect(image).toMatchObject({ name: 'image', ok: false, numbers: { psnr: expect.any(Number) } });
    expect(image.detail).toMatch(/^different, beside the CPU's image: largest difference \d+ of 255/);
    expect(code).toBe(1);
  });

  it('finds an inaccurate engine', LONG, async () => {
    vi.stubEnv('T2I_ENGINE_CACHE', join(folder, 'others'));
    vi.stubEnv('T2I_FAKE_TENSORRT', 'inaccurate');
    const { code, out } = await doctor('--gpu');
    expect(code).toBe(1);
    expect(section(out, 'check step kernel')).toMatch(/^ok /);
    expect(section(out, 'check engine')).toMatch(/^failed +ENGINE_INACCURATE: .*\n +help: ./);
  });
});
