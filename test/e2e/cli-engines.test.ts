import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { Interrupted } from '../../src/cli/io.js';
import { main } from '../../src/cli/main.js';
import { readReceipt } from '../../src/image/read-receipt.js';
import { fakeIo, shownLines } from '../support/fake-io.js';
import { buildFolder, noBuild } from '../support/native.js';
import { withBf16Decoder } from '../support/sim-machine.js';
import { skipFor } from '../support/skip-for.js';

// Engines of the stand-in are compared with the toy networks that it computes.
vi.mock('../../src/backends/onnxruntime/reference.js', async () => ({
  onnxruntimeReference: (await import('../support/toy-networks.js')).toyReference,
}));

const TINY = fileURLToPath(new URL('../fixtures/tiny', import.meta.url));
const SIM = buildFolder('sim');

let folder: string;
let cache: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 't2i-cli-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));
beforeEach(() => {
  cache = mkdtempSync(join(folder, 'cache-'));
  vi.unstubAllEnvs();
  vi.stubEnv('T2I_ENGINE_CACHE', cache);
  vi.stubEnv('T2I_ADDON', join(SIM ?? '', 'Release/t2i.node'));
  vi.stubEnv('T2I_TENSORRT_LIB_DIR', join(SIM ?? '', 'fake-11'));
});

async function t2i(argv: readonly string[], options: Parameters<typeof fakeIo>[0] = {}) {
  const io = fakeIo(options);
  const code = await main(argv, io);
  return { code, out: io.out(), err: io.err(), json: () => JSON.parse(io.out()) };
}
const build = (...argv: string[]) => t2i(['build-engine', TINY, ...argv]);
const files = (dir = cache) => readdirSync(dir).sort();

describe('t2i build-engine', skipFor(noBuild('sim')), () => {
  it('builds every network, says how it went, and finds them the next time', async () => {
    const first = await build();
    expect(first, first.err).toMatchObject({ code: 0 });
    for (const network of ['text_encoder', 'unet', 'vae_decoder']) {
      expect(first.out).toMatch(new RegExp(`^${network} +built in \\d+\\.\\d s .* 1\\.000000 .*${cache}`, 'm'));
    }
    expect(files()).toHaveLength(3);
    const second = await build('--json');
    expect(second.json()).toMatchObject({
      model: 'tiny',
      engines: [
        { component: 'text_encoder', built: false, seconds: 0, header: { runtime: 'tensorrt', tensorrt: '11.4.0' } },
        { component: 'vae_decoder', built: false },
        { component: 'unet', built: false, header: { accuracy: { similarity: 1, against: 'toy 1.0' } } },
      ],
    });
  });

  it('shows on a terminal which network it is at, and how far', async () => {
    const { err } = await t2i(['build-engine', TINY], { terminal: true });
    expect(shownLines(err)).toContainEqual(expect.stringMatching(/^building text encoder, \d+ %, \d+\.\d s/));
    const at = (text: string) => err.indexOf(text);
    expect(at('building text encoder')).toBeLessThan(at('checking text encoder'));
    expect(at('checking text encoder')).toBeLessThan(at('building vae decoder'));
    expect(at('building vae decoder')).toBeLessThan(at('building unet'));
  });

  it('says without building what it would build', async () => {
    const { code, out, json } = await build('--dry-run', '--json', '--batch', '1..2');
    expect(code, out).toBe(0);
    expect(json()).toMatchObject({
      profile: { min: { batch: 1 }, max: { batch: 2 } },
      target: { runtime: 'tensorrt', computeCapabilities: [expect.any(Number)] },
      engines: [{ component: 'text_encoder', present: false, file: expect.stringContaining(cache) }, {}, {}],
    });
    expect(files()).toEqual([]);
    expect((await build('--dry-run')).out).toMatch(/^unet +would be built from model\.onnx/m);
  });

  it('says in which precision a decoder that overflows in fp16 would run, and in which it does', async () => {
    const { dir } = await withBf16Decoder();
    const dry = await t2i(['build-engine', dir, '--dry-run']);
    expect(dry.out).toMatch(/^vae_decoder +would be built from model\.fp16\.onnx +fp16, else bf16, else fp32 /m);
    vi.stubEnv('T2I_SIM_COMPUTE', '75');
    expect((await t2i(['build-engine', dir, '--dry-run'])).out).toMatch(/^vae_decoder .* fp16, else fp32 /m);
    vi.stubEnv('T2I_SIM_COMPUTE', '80');
    vi.stubEnv('T2I_FAKE_TENSORRT', 'fp16-overflow');
    const { out, err } = await t2i(['build-engine', dir]);
    expect(out).toMatch(/^vae_decoder +built in \d+\.\d s +bf16 /m);
    expect(err).toMatch(/vae_decoder: runs in bf16, for The engine of vae_decoder \(fp16\) gives /);
    expect((await t2i(['engines'])).out).toMatch(/^vae_decoder-\w+ .* 8\.0 +bf16 /m);
    expect((await t2i(['engines', 'inspect', 'vae_decoder'])).out).toMatch(
      /^precision +bf16: The engine of vae_decoder \(fp16\) gives /m,
    );
  });

  it('keeps what was measured in the file of --timing-cache, and engines in the folder of --out', async () => {
    const [timings, out] = [join(cache, 'timings.bin'), join(cache, 'engines')];
    expect((await build('--timing-cache', timings, '--out', out)).code).toBe(0);
    expect(statSync(timings).size).toBeGreaterThan(0);
    expect(files(out)).toHaveLength(3);
    expect(files()).toEqual(['engines', 'timings.bin']);
  });

  it('builds for one to four images where no shape is asked for, whatever the cache holds', async () => {
    expect((await build('--batch', '1..6')).code).toBe(0);
    const { json } = await build('--dry-run', '--json');
    expect(json()).toMatchObject({
      profile: { min: { batch: 1 }, max: { batch: 4 } },
      engines: [{ present: true }, { component: 'vae_decoder', present: false }, { component: 'unet', present: false }],
    });
  });

  it('ends with 130 when it is interrupted, and leaves nothing', async () => {
    const controller = new AbortController();
    vi.stubEnv('T2I_FAKE_TENSORRT', 'slow-build');
    const running = t2i(['build-engine', TINY], { signal: controller.signal });
    await vi.waitUntil(() => files().length > 0, { timeout: 50_000, interval: 5 });
    controller.abort(new Interrupted('SIGINT'));
    const { code, out, err } = await running;
    expect([code, out]).toEqual([130, '']);
    expect(err).toContain('interrupted by SIGINT');
    expect(files()).toEqual([]);
  });

  it('tells every mistake at once', async () => {
    const out = join(cache, 'file');
    writeFileSync(out, '');
    const bad = ['--runtime', 'cuda', '--profile', '1x16', '--size', '8', '--compute', '8.9', '--device', 'x'];
    const { code, json } = await build(...bad, '--timing-cache', cache, '--out', out, '--json');
    expect(code).toBe(2);
    expect(
      json()
        .error.issues.map(({ option }: { option: string }) => option)
        .sort(),
    ).toEqual(['--compute', '--device', '--out', '--profile', '--runtime', '--timing-cache'].sort());
  });

  it.each([
    ['a profile that shrinks', ['--profile', '2x8x8,1x8x8'], '--profile batch'],
    ['a size beside the steps of the model', ['--profile', '1x3x8'], '--profile height'],
    ['a size in pixels that does not fit', ['--size', '33'], '--size'],
    ['--compute where only the GPU at hand is built for', ['--runtime', 'tensorrt', '--compute', '89'], '--compute'],
  ])('refuses %s', async (_, argv, option) => {
    const { code, err } = await build(...argv);
    expect(code).toBe(2);
    expect(err).toContain(`${option}: expected`);
  });

  it('ends with 4 where the runtime is not there', async () => {
    const { code, err } = await build('--runtime', 'tensorrt-rtx', '--compute', '89');
    expect(code, err).toBe(4);
    expect(err).toMatch(/tensorrt-rtx/);
  });

  it('ends with 4 where there is no TensorRT, and names the folder', async () => {
    vi.stubEnv('T2I_TENSORRT_LIB_DIR', cache);
    const { code, err } = await build();
    expect(code).toBe(4);
    expect(err).toContain(cache);
    expect(err).toMatch(/^hint: ./m);
  });

  it('ends with 3 where the model is a file', async () => {
    const { code, json } = await t2i(['build-engine', join(TINY, 'model_index.json'), '--json']);
    expect([code, json().error.code]).toEqual([3, 'MODEL_NOT_FOUND']);
  });

  it.each([
    ['build-fails', 4, 'ENGINE_BUILD_FAILED'],
    ['crash-build', 4, 'ENGINE_BUILD_FAILED'],
    ['build-memory', 4, 'OUT_OF_MEMORY'],
    ['inaccurate', 3, 'ENGINE_INACCURATE'],
    ['null-engine', 4, 'BACKEND_FAILED'],
  ])('under %s ends with %i and %s, and leaves nothing', async (failure, exit, error) => {
    vi.stubEnv('T2I_FAKE_TENSORRT', failure);
    const { code, json, err } = await build('--json');
    expect([code, json().error.code], err).toEqual([exit, error]);
    expect(files()).toEqual([]);
  });
});

describe('t2i engines', skipFor(noBuild('sim')), () => {
  it('lists those that were built, and inspects one', async () => {
    expect((await build()).code).toBe(0);
    const [, unet] = files().map((name) => join(cache, name)) as [string, string];
    const { code, out, err } = await t2i(['engines']);
    expect([code, err]).toEqual([0, expect.stringMatching(new RegExp(`^${cache}: 3 engines, `))]);
    const rows = out.trimEnd().split('\n').slice(1);
    expect(rows).toHaveLength(3);
    expect(rows[1]).toMatch(
      /^unet-[0-9a-f]{12} +tiny +tensorrt 11\.4\.0 +\d+\.\d +fp\d\d +\S+ +1\.000000 +.+ just now$/,
    );
    const inspected = await t2i(['engines', 'inspect', unet]);
    expect(inspected.out).toMatch(/^accuracy +similarity 1\.000000, .+ against toy 1\.0$/m);
  });
});

describe('t2i generate on the simulated device', skipFor(noBuild('sim')), () => {
  const generate = (...argv: string[]) =>
    t2i(['generate', 'a cat', '--model', TINY, '--steps', '2', '--seed', '7', '--backend', 'tensorrt', ...argv]);

  it('builds what is missing, draws, and the receipt names the engines', async () => {
    const file = join(cache, 'cat.png');
    const { code, err, json } = await generate('-o', file, '--json', '--strict');
    expect(code, err).toBe(0);
    expect(json()).toMatchObject({ backend: { name: 'tensorrt', runtime: 'tensorrt 11.4.0' }, warnings: [] });
    expect(files().filter((name) => name.endsWith('.engine'))).toHaveLength(3);
    expect((await readReceipt(file)).backend.name).toBe('tensorrt');
    const again = join(cache, 'again.png');
    await generate('-o', again, '--isolation', 'process');
    expect(readFileSync(again).equals(readFileSync(file))).toBe(true);
    const verified = await t2i(['verify', file, '--model', TINY, '--backend', 'tensorrt']);
    expect(verified.out).toMatch(/^exact\n/);
  });

  it('is an error where the backend was named and cannot run', async () => {
    vi.stubEnv('T2I_TENSORRT_LIB_DIR', join(cache, 'absent'));
    const { code, json } = await generate('-o', join(cache, 'cat.png'), '--json');
    expect([code, json().error.code]).toEqual([4, 'BACKEND_UNAVAILABLE']);
  });

  it('refuses a GPU that is not there and an isolation that is none', async () => {
    const absent = await generate('-o', join(cache, 'cat.png'), '--device', '7');
    expect(absent.code, absent.err).toBe(4);
    const { code, err } = await generate('-o', join(cache, 'cat.png'), '--isolation', 'cage', '--device', 'x');
    expect(code).toBe(2);
    expect(err).toContain('--isolation: expected one of none, process');
    expect(err).toContain('--device: expected');
  });
});
