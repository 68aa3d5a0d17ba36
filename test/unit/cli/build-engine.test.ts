import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import * as engines from '../../../src/backends/engines.js';
import '../../../src/cli/build-engine/run-build.js';
import { Interrupted } from '../../../src/cli/io.js';
import { main } from '../../../src/cli/main.js';
import { T2IError } from '../../../src/errors.js';
import { engineFolder, headerOf } from '../../support/engines.js';
import { fakeIo } from '../../support/fake-io.js';

const MODEL = fileURLToPath(new URL('../../fixtures/tiny', import.meta.url));
const HEADER = headerOf();
const TIMINGS = Uint8Array.of(1, 2, 3);
const UNAVAILABLE = new T2IError('BACKEND_UNAVAILABLE', 'no TensorRT was found', { hint: 'Install one.' });

type Built = Awaited<ReturnType<typeof engines.buildEngines>>;
const built = (timingCache: Uint8Array | null = null) =>
  ({
    engines: { unet: { path: '/engines/unet.engine', header: HEADER, built: true, warnings: [], notes: [], log: [] } },
    timingCache,
  }) as unknown as Built;

let folder: string;
const at = (name: string) => join(folder, name);
beforeEach(() => {
  folder = engineFolder();
  vi.spyOn(engines, 'buildEngines').mockResolvedValue(built());
  vi.spyOn(engines, 'previewEngines').mockResolvedValue({ model: 'tiny', engines: [] } as never);
});
afterEach(() => vi.restoreAllMocks());

async function build(argv: readonly string[] = [], given: Parameters<typeof fakeIo>[0] = {}) {
  const io = fakeIo({ cwd: folder, ...given });
  const code = await main(['build-engine', MODEL, ...argv], io);
  return { code, out: io.out(), err: io.err(), json: () => JSON.parse(io.out()) };
}
const asked = () => vi.mocked(engines.buildEngines).mock.lastCall?.[1];
const read = (name: string) => JSON.parse(readFileSync(at(name), 'utf8'));

describe('t2i build-engine', () => {
  it('builds what is asked for, and says what it built', async () => {
    const { code, out, err } = await build([
      ...['--runtime', 'tensorrt', '--profile', '1x4x4,2x4x4', '--device', '1', '--out', at('engines')],
    ]);
    expect([code, err]).toEqual([0, '']);
    expect(out).toMatch(/^unet .*built in .* fp16 .*\/engines\/unet\.engine$/m);
    const small = { batch: 1, height: 4, width: 4 };
    expect(asked()).toMatchObject({
      ...{ runtime: 'tensorrt', device: 1, dir: at('engines'), computeCapabilities: [], timingCache: null },
      profile: { min: small, opt: small, max: { ...small, batch: 2 } },
    });
  });

  it('leaves to the SDK what nobody asks for', async () => {
    await build();
    const open = { runtime: undefined, profile: undefined, device: undefined, dir: undefined, timingCache: null };
    expect(asked()).toMatchObject({ ...open, computeCapabilities: [] });
  });

  it('tells programs the same, and whoever runs it as a step in a file', async () => {
    const { json } = await build(['--json', '--report', at('new/report.json')]);
    expect(json()).toMatchObject({ model: 'tiny', engines: [{ component: 'unet', built: true }] });
    expect(read('new/report.json')).toEqual({
      built: true,
      engines: [{ file: '/engines/unet.engine', header: HEADER }],
    });
  });

  it('makes room for the report before it builds', async () => {
    vi.mocked(engines.buildEngines).mockImplementation(async () => {
      expect(existsSync(at('new'))).toBe(true);
      return built();
    });
    expect((await build(['--report', at('new/report.json')])).code).toBe(0);
  });

  it('shows how far it is on a terminal, and leaves nothing of it there', async () => {
    vi.mocked(engines.buildEngines).mockImplementation(async (_, { onProgress } = {}) => {
      onProgress?.({ phase: 'build', network: 'unet', fraction: 0.5, detail: '' });
      return built();
    });
    const { err } = await build([], { terminal: true });
    expect(err).toContain('building unet, 50 %');
    expect(err.endsWith('\r\u001b[K')).toBe(true);
  });

  it('builds nothing once it is interrupted', async () => {
    const { code } = await build([], { signal: AbortSignal.abort(new Interrupted('SIGINT')) });
    expect([code, asked()]).toEqual([130, undefined]);
  });
});

describe('a timing cache', () => {
  const cached = () => build(['--timing-cache', at('timings.bin')]);

  it('is written where there is none, and read the next time', async () => {
    vi.mocked(engines.buildEngines).mockResolvedValue(built(TIMINGS));
    await cached();
    expect(asked()?.timingCache).toBeNull();
    expect(new Uint8Array(readFileSync(at('timings.bin')))).toEqual(TIMINGS);
    const { mtimeMs, ino } = statSync(at('timings.bin'));
    await cached();
    expect(new Uint8Array(asked()?.timingCache ?? [])).toEqual(TIMINGS);
    // What says the same is not written again.
    expect(statSync(at('timings.bin'))).toMatchObject({ mtimeMs, ino });
    vi.mocked(engines.buildEngines).mockResolvedValue(built(Uint8Array.of(1, 2, 4)));
    await cached();
    expect([...readFileSync(at('timings.bin'))]).toEqual([1, 2, 4]);
  });

  it('stays as it is where a build has none', async () => {
    await cached();
    expect(existsSync(at('timings.bin'))).toBe(false);
  });
});

describe('a dry run', () => {
  it('only says what would be built', async () => {
    const engine = {
      ...{ component: 'unet', path: '/engines/unet.engine', from: 'model.onnx', precision: 'fp16', otherwise: [] },
      ...{ shapes: [], notes: [], warning: null, memory: { hostBytes: 1024, deviceBytes: 1024 }, present: false },
    };
    vi.mocked(engines.previewEngines).mockResolvedValue({ model: 'tiny', engines: [engine] } as never);
    const { code, out } = await build(['--dry-run', '--device', '1']);
    expect([code, out]).toEqual([0, expect.stringContaining('would be built from model.onnx')]);
    expect((await build(['--dry-run', '--json'])).json()).toMatchObject({
      engines: [{ file: '/engines/unet.engine' }],
    });
    expect([asked(), vi.mocked(engines.previewEngines).mock.calls[0]?.[1]]).toMatchObject([undefined, { device: 1 }]);
  });
});

describe('a machine that cannot build', () => {
  beforeEach(() => void vi.mocked(engines.buildEngines).mockRejectedValue(UNAVAILABLE));
  const hintOf = async (...argv: string[]) => (await build([...argv, '--json'])).json().error.hint;

  it('is an error that names the other way there is without a GPU', async () => {
    expect(await build()).toMatchObject({ code: 4, out: '', err: expect.stringContaining(UNAVAILABLE.message) });
    expect(await hintOf()).toMatch(/^Install one\. .*--compute/);
    expect(await hintOf('--compute', '89')).toBe('Install one.');
    vi.mocked(engines.buildEngines).mockRejectedValue(new T2IError('BACKEND_UNAVAILABLE', 'none'));
    expect(await hintOf()).toMatch(/^To build for a GPU that is not here/);
  });

  it('is fine where engines are optional, with the reason', async () => {
    const { code, out, err } = await build(['--optional', '--report', at('report.json')]);
    expect([code, out, err]).toEqual([0, '', `note: No engine was built: ${UNAVAILABLE.message}\n`]);
    expect(read('report.json')).toEqual({ built: false, reason: UNAVAILABLE.message });
    expect((await build(['--optional', '--json'])).json()).toEqual({ model: 'tiny', engines: [] });
  });

  it.each([
    [new T2IError('ENGINE_INACCURATE', 'it is wrong', { hint: 'Look.' }), 3, 'Look.'],
    [new T2IError('IO_FAILED', 'no space'), 1, undefined],
  ])('is not what every error tells of: %s', async (error, code, hint) => {
    vi.mocked(engines.buildEngines).mockRejectedValue(error);
    const failed = await build(['--optional', '--json', '--report', at('report.json')]);
    expect([failed.code, failed.json().error.hint]).toEqual([code, hint]);
    expect(existsSync(at('report.json'))).toBe(false);
  });
});

describe('the flags of a build', () => {
  it.each([
    ['--profile 2x4x4,1x4x4', ['--profile batch']],
    ['--profile 1x4x4,1x8x4,1x4x4', ['--profile height']],
    ['--batch 4..1 --size 7', ['--batch', '--size']],
    ['--runtime cuda --device -1 --out=', ['--runtime', '--device', '--out']],
    ['--runtime tensorrt --compute 89', ['--compute']],
  ])('are refused all at once, by name: %s', async (line, options) => {
    const { code, json } = await build([...line.split(' '), '--json']);
    const { issues } = json().error;
    expect([code, issues.map(({ option }: { option: string }) => option)]).toEqual([2, options]);
    expect(asked()).toBeUndefined();
  });

  it('name --batch and --size where the graphs of the model fix the profile', async () => {
    const issues = ['batch', 'height'].map((side) => ({ option: `profile ${side}`, expected: '1', received: '2' }));
    const fixed = new T2IError('OPTION_INVALID', 'no', { issues });
    vi.spyOn(engines, 'checkProfile').mockImplementation(() => {
      throw fixed;
    });
    const { json } = await build(['--batch', '2', '--json']);
    expect(json().error.issues).toMatchObject([{ option: '--batch' }, { option: '--size' }]);
    vi.mocked(engines.checkProfile).mockImplementation(() => {
      throw new T2IError('IO_FAILED', 'a bug');
    });
    expect((await build(['--batch', '2', '--json'])).json().error.code).toBe('IO_FAILED');
  });

  it('are a folder for engines that is there, too', async () => {
    mkdirSync(at('engines'));
    writeFileSync(at('file'), '');
    expect((await build(['--out', at('engines')])).code).toBe(0);
    expect((await build(['--out', at('file')])).code).toBe(2);
  });
});
