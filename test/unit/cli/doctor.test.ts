import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import * as engines from '../../../src/backends/engines.js';
import { BACKENDS } from '../../../src/backends/select.js';
import '../../../src/cli/doctor/run-doctor.js';
import '../../../src/cli/doctor/self-check/self-check.js';
import { main } from '../../../src/cli/main.js';
import * as reader from '../../../src/cli/read-model.js';
import { T2IError } from '../../../src/errors.js';
import * as sharpLoader from '../../../src/image/sharp.js';
import { engineFolder } from '../../support/engines.js';
import { fakeIo } from '../../support/fake-io.js';
import { MEMORY_MODEL } from '../../support/memory-session.js';

type Inspection = Awaited<ReturnType<typeof engines.inspect>>;
const MISSING = { reason: 'there is no addon', hint: 'get it' };
const NO_GPU: Inspection = { addon: MISSING, devices: null, libraries: { reason: 'no libraries', hint: 'get one' } };

let cache: string;
/** A machine that has all but a GPU. */
beforeEach(() => {
  cache = engineFolder();
  vi.stubEnv('T2I_ENGINE_CACHE', cache);
  vi.spyOn(engines, 'inspect').mockResolvedValue(NO_GPU);
  vi.spyOn(reader, 'readModel').mockResolvedValue({ ...MEMORY_MODEL, dir: '/models/default' });
  for (const backend of BACKENDS) found(backend, backend.name === 'onnxruntime');
});
afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});

function found(backend: (typeof BACKENDS)[number], available: boolean): void {
  const probe = available ? { available, detail: 'it runs' } : { available, reason: 'it is not here', hint: 'get it' };
  vi.spyOn(backend, 'probe').mockResolvedValue(probe);
}
async function doctor(...argv: string[]) {
  const io = fakeIo();
  const code = await main(['doctor', ...argv], io);
  return { code, out: io.out(), err: io.err(), json: () => JSON.parse(io.out()) };
}

describe('t2i doctor', () => {
  it('says what can run here, for people and for programs', async () => {
    const { code, out, err } = await doctor();
    expect([code, err]).toEqual([0, '']);
    expect(out).toMatch(/^default model +ok +\/models\/default$/m);
    expect(out).toMatch(/^image files +ok +sharp [\d.]+, libvips [\d.]+$/m);
    expect(out).toMatch(/^backend onnxruntime +ok +it runs$/m);
    expect(out).toMatch(/^backend tensorrt +no +it is not here$/m);
    const { json, ...told } = await doctor('--json');
    expect([told.code, told.err]).toEqual([0, '']);
    expect(json()).toEqual({
      ...{ t2i: expect.any(String), node: process.version, platform: expect.any(String), cpu: expect.any(String) },
      memoryBytes: expect.any(Number),
      model: { found: true, detail: '/models/default' },
      imageFiles: { available: true, detail: expect.stringContaining('libvips') },
      backends: BACKENDS.map(({ name }) => expect.objectContaining({ name, available: name === 'onnxruntime' })),
      gpu: { ...NO_GPU, engines: { dir: cache, files: 0, bytes: 0 } },
    });
  });

  it('fails where no backend runs, or no image can be written', async () => {
    for (const backend of BACKENDS) found(backend, false);
    expect((await doctor()).code).toBe(4);
    for (const backend of BACKENDS) found(backend, true);
    expect((await doctor()).code).toBe(0);
    vi.spyOn(sharpLoader, 'loadSharp').mockRejectedValue(
      new T2IError('BACKEND_UNAVAILABLE', 'no sharp', { hint: 'get sharp' }),
    );
    expect(await doctor()).toMatchObject({ code: 4, out: expect.stringMatching(/no sharp\n +help: get sharp\n/) });
    vi.mocked(sharpLoader.loadSharp).mockRejectedValue(new T2IError('BACKEND_UNAVAILABLE', 'no sharp'));
    const imageFiles = { available: false, reason: 'no sharp', hint: '' };
    expect((await doctor('--json')).json()).toMatchObject({ imageFiles });
  });

  it('fails otherwise where there is no model', async () => {
    vi.mocked(reader.readModel).mockRejectedValue(new T2IError('MODEL_NOT_FOUND', 'no model', { hint: 'get one' }));
    expect(await doctor()).toMatchObject({ code: 3, out: expect.stringMatching(/no model\n +help: get one\n/) });
    expect((await doctor('--json')).json().model).toEqual({ found: false, detail: 'no model', hint: 'get one' });
  });

  it.each([new TypeError('a bug'), new T2IError('INTERNAL', 'a bug')])('hides no bug: %s', async (bug) => {
    vi.mocked(reader.readModel).mockRejectedValue(bug);
    expect(await doctor()).toMatchObject({ code: 1, err: expect.stringContaining('a bug') });
  });

  it('hides no bug of what reads images', async () => {
    vi.spyOn(sharpLoader, 'loadSharp').mockRejectedValue(new TypeError('a bug'));
    expect(await doctor()).toMatchObject({ code: 1, err: expect.stringContaining('a bug') });
  });

  it('counts the engines that are in the cache, and nothing else there', async () => {
    for (const [name, bytes] of [
      ['a.engine', 1000],
      ['b.engine', 24],
      ['a.engine.lock', 7],
    ] as const)
      writeFileSync(join(cache, name), Buffer.alloc(bytes));
    expect((await doctor('--json')).json().gpu.engines).toEqual({ dir: cache, files: 2, bytes: 1024 });
    vi.stubEnv('T2I_ENGINE_CACHE', join(cache, 'none'));
    expect((await doctor('--json')).json().gpu.engines).toMatchObject({ files: 0, bytes: 0 });
    expect(existsSync(join(cache, 'none'))).toBe(false);
  });

  it('says why there is no cache', async () => {
    const engineCacheFolder = vi.spyOn(engines, 'engineCacheFolder');
    for (const hint of ['name one', undefined]) {
      engineCacheFolder.mockImplementation(() => {
        throw new T2IError('IO_FAILED', 'no folder', { hint });
      });
      expect((await doctor('--json')).json().gpu.engines).toEqual({ reason: 'no folder', hint: hint ?? '' });
    }
    engineCacheFolder.mockImplementation(() => {
      throw new TypeError('a bug');
    });
    expect((await doctor()).code).toBe(1);
  });

  it('says which TensorRT is used, and why the others are not', async () => {
    const library = { kind: 'full', parserPath: null, canBuild: true, problem: null, hint: null, notes: [] } as const;
    const libraries = [
      { ...library, path: '/broken', version: '11.0.0', problem: 'it does not open', hint: 'install it anew' },
      { ...library, path: '/good', version: '10.15.1' },
      { ...library, path: '/old', version: '10.14.0' },
    ];
    vi.mocked(engines.inspect).mockResolvedValue({ ...NO_GPU, libraries });
    const { gpu } = (await doctor('--json')).json();
    expect(gpu.libraries).toMatchObject([
      { path: '/broken', chosen: false, reason: expect.any(String) },
      { path: '/good', chosen: true, reason: null },
      { path: '/old', chosen: false, reason: expect.stringContaining('comes before it') },
    ]);
  });

  it.each([
    [NO_GPU, MISSING],
    [
      {
        ...NO_GPU,
        addon: { path: '/t2i.node', version: '1' },
        devices: {
          kind: 'cuda',
          available: false,
          reason: 'no driver',
          hint: 'install one',
          driver: null,
          runtime: null,
          devices: [],
        },
      } as unknown as Inspection,
      { reason: 'no driver', hint: 'install one' },
    ],
  ])('checks no GPU that is not there, and says so', async (inspection, why) => {
    vi.mocked(engines.inspect).mockResolvedValue(inspection);
    const { code, out } = await doctor('--gpu');
    expect([code, out]).toEqual([
      4,
      expect.stringMatching(new RegExp(`not measured on hardware: ${why.reason}\\n +help: `)),
    ]);
    expect((await doctor('--gpu', '--json')).json().selfCheck).toEqual({ measured: false, ...why });
  });
});
