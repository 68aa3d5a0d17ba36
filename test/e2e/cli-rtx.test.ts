import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { main } from '../../src/cli/main.js';
import { fakeIo } from '../support/fake-io.js';
import { buildFolder, noBuild, noNvidia, nvidiaFolder } from '../support/native.js';
import { skipFor } from '../support/skip-for.js';

const TINY = fileURLToPath(new URL('../fixtures/tiny', import.meta.url));
const NONE = buildFolder('none');
const RTX = NONE && nvidiaFolder('rtx');

describe(
  'engines ahead of time, by NVIDIA TensorRT-RTX on a machine without a GPU',
  skipFor(noBuild('none'), noNvidia('rtx')),
  () => {
    let cache: string;
    beforeAll(() => {
      cache = mkdtempSync(join(tmpdir(), 't2i-cli-'));
      vi.stubEnv('T2I_ENGINE_CACHE', cache);
      vi.stubEnv('T2I_ADDON', join(NONE as string, 'Release/t2i.node'));
      vi.stubEnv('T2I_TENSORRT_LIB_DIR', RTX as string);
    });
    afterAll(() => {
      vi.unstubAllEnvs();
      rmSync(cache, { recursive: true, force: true });
    });

    async function t2i(...argv: string[]) {
      const io = fakeIo();
      const code = await main(argv, io);
      return { code, out: io.out(), err: io.err(), json: () => JSON.parse(io.out()) };
    }

    it('are built for the capabilities that were asked for, and said to be unchecked', async () => {
      const { code, err, json } = await t2i('build-engine', TINY, '--compute', '89,86', '--batch', '1..2', '--json');
      expect(code, err).toBe(0);
      for (const engine of json().engines) {
        expect(engine).toMatchObject({
          built: true,
          header: { runtime: 'tensorrt-rtx', computeCapabilities: [86, 89], gpu: null, accuracy: null },
          notes: [expect.stringContaining('not checked')],
        });
      }
      const { out } = await t2i('engines');
      expect(out).toMatch(
        /^unet-\S+ +tiny +tensorrt-rtx 1\.\d+\.\d+ +8\.6 8\.9 +fp32 +1x4x8x8\.\.4x4x8x8 +not checked/m,
      );
      expect(readdirSync(cache)).toHaveLength(3);
      expect((await t2i('engines', 'prune', '--json')).json()).toMatchObject({ removed: [] });
    });

    it('are refused in its own words where it cannot build for a capability', async () => {
      const { code, json } = await t2i('build-engine', TINY, '--compute', '90', '--json');
      expect([code, json().error.code]).toEqual([4, 'ENGINE_BUILD_FAILED']);
      expect(json().error.message).toContain('90');
    });

    it('need to be told for what', async () => {
      const { code, err } = await t2i('build-engine', TINY);
      expect(code, err).toBe(4);
      expect(err).toMatch(/^hint: .*--compute/m);
    });

    it('cannot be run, which is said', async () => {
      const { code, json } = await t2i('generate', 'a cat', '--model', TINY, '--backend', 'tensorrt', '--json');
      expect([code, json().error.code]).toEqual([4, 'BACKEND_UNAVAILABLE']);
      expect((await t2i('doctor')).out).toMatch(/^tensorrt +ok +1\.\d+\.\d+ \(rtx, builds and runs engines\)/m);
    });
  },
);
