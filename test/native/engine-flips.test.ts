import { appendFileSync, closeSync, openSync, readFileSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { readEngineFile, verifyEngineFile } from '../../src/backends/tensorrt/engines/engine-file.js';
import type { EngineOptions } from '../../src/backends/tensorrt/engines/engine-options.js';
import { type EnsuredEngines, ensureEngines } from '../../src/backends/tensorrt/engines/model-engines.js';
import type { NativeAddon } from '../../src/backends/tensorrt/native.js';
import { openNative, type SessionRequest } from '../../src/backends/tensorrt/open-native.js';
import { MersenneTwister } from '../../src/diffusion/mersenne-twister.js';
import { describeModel } from '../../src/model/layout.js';
import { engineFolder, failure } from '../support/engines.js';
import { buildFolder, loadBuild, noBuild, noNvidia, nvidiaFolder } from '../support/native.js';
import { skipFor } from '../support/skip-for.js';

const MODEL = fileURLToPath(new URL('../../models/emoji-128', import.meta.url));
const build = buildFolder('none');
const rtx = nvidiaFolder('rtx');
const FLIPS = 1000;

/** Everything of the addon that bytes of an engine could reach, counting the calls. */
function watched(): { addon: NativeAddon; calls: () => number } {
  let calls = 0;
  const count = async () => {
    calls++;
    throw new Error('bytes of an engine came to the addon');
  };
  return { addon: { ...loadBuild('none'), Session: { open: count }, runEngine: count }, calls: () => calls };
}

describe(
  'engines of the real TensorRT-RTX, built ahead of time without a GPU',
  skipFor(noBuild('none'), noNvidia('rtx')),
  () => {
    const dir = engineFolder();

    async function optionsOf(computeCapabilities: number[]): Promise<EngineOptions> {
      const addon = { addon: loadBuild('none'), path: join(build as string, 'Release', 't2i.node') };
      const [library] = addon.addon.libraries({ only: rtx as string });
      if (library === undefined) throw new Error(`no TensorRT-RTX in ${rtx}`);
      return {
        model: await describeModel(MODEL),
        addon,
        library,
        device: null,
        computeCapabilities,
        profile: null,
        dir,
        verifyEngines: true,
        timingCache: null,
        reference: null,
        signal: new AbortController().signal,
        onProgress: () => {},
      };
    }

    let made: EnsuredEngines;
    it('hold the default model', async () => {
      const options = await optionsOf([89]);
      made = await ensureEngines(options);
      for (const { header, path } of Object.values(made.engines)) {
        expect(header).toMatchObject({ runtime: 'tensorrt-rtx', computeCapabilities: [89], gpu: null, accuracy: null });
        expect(header.precision).toBe('fp16');
        expect(await verifyEngineFile(path)).toEqual(header);
      }
      expect(made.engines.unet.header.serialized.bytes).toBeGreaterThan(30e6);
      expect(Object.values((await ensureEngines(options)).engines).some(({ built }) => built)).toBe(false);
    }, 300_000);

    it(`are refused after any of ${FLIPS} flipped bits, before a byte of them reaches TensorRT`, async () => {
      const { path, header } = made.engines.vaeDecoder;
      const { addon, calls } = watched();
      // The decoder's file, the smallest, in place of all three: it is the first that is read.
      const all = <T>(value: T) => ({ textEncoder: value, unet: value, vaeDecoder: value });
      const request: SessionRequest = {
        device: 0,
        library: '',
        files: all(path),
        model: {} as SessionRequest['model'],
        useGraph: true,
        facts: {
          runtime: 'tensorrt-rtx',
          engines: all(header.serialized.sha256),
          precisions: all(header.precision),
          warnings: [],
          strict: false,
        },
      };
      const whole = readFileSync(path);
      const random = new MersenneTwister(7);
      const start = whole.length - header.serialized.bytes;
      const file = openSync(path, 'r+');
      for (let i = 0; i < FLIPS; i++) {
        // One in four in what comes before the serialized engine, which is small beside it.
        const at = random.next() % (i % 4 === 0 ? start : whole.length);
        const byte = whole[at] as number;
        writeSync(file, Uint8Array.of(byte ^ (1 << (random.next() % 8))), 0, 1, at);
        expect((await failure(openNative(addon, request))).code, `byte ${at}`).toBe('ENGINE_INVALID');
        writeSync(file, Uint8Array.of(byte), 0, 1, at);
      }
      closeSync(file);
      expect(calls()).toBe(0);
      await expect(openNative(addon, request)).rejects.toThrow('bytes of an engine came to the addon');
      expect(calls()).toBe(1);
    }, 600_000);

    it('are refused where they are shorter or longer', async () => {
      const { path } = made.engines.vaeDecoder;
      const whole = readFileSync(path);
      for (const length of [0, 47, 48, 500, whole.length / 2, whole.length - 1].map(Math.floor)) {
        truncateSync(path, length);
        expect((await failure(readEngineFile(path))).code, `${length} bytes`).toBe('ENGINE_INVALID');
        writeFileSync(path, whole);
      }
      appendFileSync(path, '\0');
      expect((await failure(readEngineFile(path))).code).toBe('ENGINE_INVALID');
      writeFileSync(path, whole);
    });
  },
);
