import { copyFileSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { listEngines } from '../../src/backends/tensorrt/engines/engine-cache.js';
import type { EngineHeader } from '../../src/backends/tensorrt/engines/header.js';
import { findMachine, orThrow } from '../../src/backends/tensorrt/machine.js';
import { openSession } from '../../src/backends/tensorrt/open-session.js';
import { createTensorrt } from '../../src/backends/tensorrt/tensorrt.js';
import type { ModelDescription } from '../../src/model/description.js';
import { describeModel } from '../../src/model/layout.js';
import type { LoadOptions } from '../../src/options.js';
import { tinyJob } from '../contract/tiny-jobs.js';
import { engineFolder } from '../support/engines.js';
import { buildFolder, noBuild } from '../support/native.js';
import { skipFor } from '../support/skip-for.js';
import { toyReference } from '../support/toy-networks.js';
import { ensureWideEngines } from '../support/wide-engines.js';
import type { Sim } from './tiny-native.mjs';

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

  it('reads each engine once', async () => {
    await runtime();
    const probe = await open(join(TINY, 'unet/model.onnx'));
    const reads = vi.spyOn(Object.getPrototypeOf(probe) as FileHandle, 'read');
    await probe.close();
    await runtime();
    const bytes = await Promise.all(reads.mock.results.map(async ({ value }) => (await value).bytesRead as number));
    for (const entry of await listEngines(cache)) {
      const { serialized } = (entry as { header: EngineHeader }).header;
      expect(bytes.filter((count) => count === serialized.bytes)).toHaveLength(1);
    }
  });

  it.each([undefined, 'process'] as const)(
    'builds an engine again that is damaged (isolation %s)',
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

  it('replays no step where it is told not to', async () => {
    const machine = orThrow(await findMachine({}));
    const { sim: device } = machine.addon.addon as unknown as { sim: Sim };
    const launches = async (useGraph: boolean) => {
      const session = await openSession(toyReference, model, machine, { useGraph });
      device.failCall(0, 'none');
      await session.generate(tinyJob(model, { steps: 4, latentSize: 8 }));
      await session.close();
      return device.callsOf('launch');
    };
    expect(await launches(false)).toBe(0);
    expect(await launches(true)).toBeGreaterThan(0);
  });

  describe('by TensorRT-RTX', () => {
    beforeEach(() => vi.stubEnv('T2I_TENSORRT_LIB_DIR', join(sim as string, 'fake-1')));

    /** Draws one image of that size in a session of its own. */
    const draw = async (latentSize: number) => {
      const session = await openModel(model);
      const { images } = await session.generate(tinyJob(model, { latentSize }));
      await session.close();
      return images;
    };
    const kernels = () => readdirSync(cache).filter((name) => name.endsWith('.kernels'));
    /** Shapes that kernels of the UNet were compiled for. */
    const shapes = () => {
      const name = kernels().find((each) => each.startsWith('unet')) as string;
      const bytes = readFileSync(join(cache, name));
      // A line each, behind a line of their own; the hash before them may hold the byte of a line's end.
      return bytes.toString('latin1', bytes.indexOf('T2I-TOY-KERNELS')).split('\n').length - 2;
    };

    it('keeps what it compiles beside the engines, and takes it into the next session', async () => {
      await ensureWideEngines(model, toyReference);
      const first = await draw(4);
      expect(kernels()).toHaveLength(3);
      expect(shapes()).toBe(1);
      await draw(6);
      expect(shapes()).toBe(2);
      expect(await draw(4)).toEqual(first);
      expect(shapes()).toBe(2);
    });

    it('leaves kernels aside whose hash is another, and compiles again', async () => {
      await ensureWideEngines(model, toyReference);
      await draw(4);
      await draw(6);
      for (const name of kernels()) {
        const bytes = readFileSync(join(cache, name));
        bytes[bytes.length - 2]! ^= 1;
        writeFileSync(join(cache, name), bytes);
      }
      await draw(6);
      expect(shapes()).toBe(1);
    });
  });

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
