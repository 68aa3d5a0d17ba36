import { copyFileSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { listEngines } from '../../src/backends/tensorrt/engines/engine-cache.js';
import type { EngineHeader } from '../../src/backends/tensorrt/engines/header.js';
import { createTensorrt } from '../../src/backends/tensorrt/tensorrt.js';
import type { ModelDescription } from '../../src/model/description.js';
import { describeModel } from '../../src/model/layout.js';
import type { LoadOptions } from '../../src/options.js';
import { engineFolder } from '../support/engines.js';
import { buildFolder, noBuild } from '../support/native.js';
import { skipFor } from '../support/skip-for.js';
import { toyReference } from '../support/toy-networks.js';

// What opening a model asks of libraries and engine files.

const TINY = fileURLToPath(new URL('../fixtures/tiny', import.meta.url));
const sim = buildFolder('sim');

describe('opening a model', skipFor(noBuild('sim')), () => {
  const { open: openModel } = createTensorrt(toyReference);
  let model: ModelDescription;
  let cache: string;
  beforeEach(async () => {
    model = await describeModel(TINY);
    cache = engineFolder();
    vi.stubEnv('T2I_ADDON', join(sim as string, 'Release', 't2i.node'));
    vi.stubEnv('T2I_TENSORRT_LIB_DIR', join(sim as string, 'fake-11'));
    vi.stubEnv('T2I_ENGINE_CACHE', cache);
  });
  afterEach(() => {
    vi.unstubAllEnvs();
    vi.restoreAllMocks();
  });

  /** Opens and closes it; what it ran on. */
  const runtime = async (options: LoadOptions = {}) => {
    const session = await openModel(model, options);
    await session.close();
    return session.runtime;
  };

  it('reads the plan of each engine once', async () => {
    await runtime();
    const probe = await open(join(TINY, 'unet/model.onnx'));
    const reads = vi.spyOn(Object.getPrototypeOf(probe) as FileHandle, 'read');
    await probe.close();
    await runtime();
    const bytes = await Promise.all(reads.mock.results.map(async ({ value }) => (await value).bytesRead as number));
    for (const entry of await listEngines(cache)) {
      const { plan } = (entry as { header: EngineHeader }).header;
      expect(bytes.filter((count) => count === plan.bytes)).toHaveLength(1);
    }
  });

  it.each([undefined, 'process'] as const)(
    'builds an engine again whose plan is damaged (isolation %s)',
    async (isolation) => {
      await runtime();
      const [entry] = await listEngines(cache);
      const path = entry?.path as string;
      const bytes = readFileSync(path);
      bytes[bytes.length - 1]! ^= 1;
      writeFileSync(path, bytes);
      expect(await runtime({ isolation })).toBe('tensorrt 11.4.0');
      expect((await listEngines(cache)).map((each) => 'damage' in each)).toEqual([false, false, false]);
    },
  );

  describe('where the newest TensorRT has no parser', () => {
    let libraries: string;
    beforeEach(() => {
      libraries = join(engineFolder(), 'libraries');
      mkdirSync(libraries);
      const link = (fake: string, name: string) => symlinkSync(join(sim as string, fake, name), join(libraries, name));
      copyFileSync(join(sim as string, 'fake-11/libnvinfer.so.11'), join(libraries, 'libnvinfer.so.11.4.0'));
      for (const name of ['libnvinfer.so.10', 'libnvonnxparser.so.10', 'libnvinfer_builder_resource.so.10.15.1'])
        link('fake-10', name);
    });

    it('takes another that can build, and the newest once its engines are there', async () => {
      vi.stubEnv('T2I_TENSORRT_LIB_DIR', libraries);
      expect(await runtime()).toBe('tensorrt 10.15.1');
      vi.stubEnv('T2I_TENSORRT_LIB_DIR', join(sim as string, 'fake-11'));
      await runtime();
      vi.stubEnv('T2I_TENSORRT_LIB_DIR', libraries);
      expect(await runtime()).toBe('tensorrt 11.4.0');
    });

    it('says what is missing where nothing can build', async () => {
      const alone = join(engineFolder(), 'alone');
      mkdirSync(alone);
      copyFileSync(join(libraries, 'libnvinfer.so.11.4.0'), join(alone, 'libnvinfer.so.11.4.0'));
      vi.stubEnv('T2I_TENSORRT_LIB_DIR', alone);
      await expect(runtime()).rejects.toMatchObject({
        code: 'BACKEND_UNAVAILABLE',
        message: expect.stringContaining('libnvonnxparser.so.11 is missing'),
      });
    });
  });
});
