import { existsSync, mkdirSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { EngineHeader } from '../../../src/backends/engines.js';
import { writeEngineFile } from '../../../src/backends/tensorrt/engines/engine-file.js';
import { main } from '../../../src/cli/main.js';
import { engineFolder, headerOf, SERIALIZED } from '../../support/engines.js';
import { fakeIo } from '../../support/fake-io.js';

const KEY = '0123456789abcdef'.repeat(4);

let cache: string;
beforeEach(() => {
  cache = engineFolder();
  vi.stubEnv('T2I_ENGINE_CACHE', cache);
});
afterEach(() => vi.unstubAllEnvs());

async function engines(...argv: string[]) {
  const io = fakeIo({ cwd: cache, env: { HF_HOME: cache } });
  return { code: await main(['engines', ...argv], io), out: io.out(), err: io.err() };
}
async function write(fields: Partial<Omit<EngineHeader, 'serialized'>> = {}, key = KEY): Promise<string> {
  const header = headerOf(fields);
  const path = join(cache, `${header.component}-${key}.engine`);
  await writeEngineFile(path, { header, serialized: SERIALIZED });
  return path;
}
function damage(path: string): void {
  const bytes = readFileSync(path);
  bytes[bytes.length - 1] = (bytes[bytes.length - 1] as number) ^ 1;
  writeFileSync(path, bytes);
}
const cells = (line = '') => line.split(/ {2,}/);

describe('t2i engines', () => {
  it('lists them with all that tells them apart', async () => {
    const old = await write();
    utimesSync(old, new Date(), new Date(Date.now() - 3 * 60 * 60 * 1000));
    const [unchecked, several] = [{ accuracy: null, shapes: [] }, { computeCapabilities: [86, 120] }];
    await write({ component: 'vae_decoder', ...unchecked, ...several, precision: 'bf16' });
    const { code, out, err } = await engines();
    expect([code, err]).toEqual([0, expect.stringMatching(new RegExp(`^${cache}: 2 engines, [\\d.]+ KiB\\n$`))]);
    const [head, ...rows] = out.trimEnd().split('\n').map(cells);
    expect(head).toEqual([
      ...['engine', 'model', 'runtime', 'compute', 'precision', 'profile', 'accuracy', 'size', 'age'],
    ]);
    const size = expect.stringMatching(/^[\d.]+ KiB$/);
    const shape = '1x4x16x16..8x4x16x16';
    expect(rows).toEqual([
      ['unet-0123456789ab', 'tiny', 'tensorrt 10.15.1', '8.9', 'fp16', shape, '0.999900', size, '3 h'],
      [
        'vae_decoder-0123456789ab',
        'tiny',
        'tensorrt 10.15.1',
        '8.6 12.0',
        'bf16',
        'fixed',
        'not checked',
        size,
        'just now',
      ],
    ]);
    const told = JSON.parse((await engines('list', '--json')).out);
    expect(told).toMatchObject({
      dir: cache,
      engines: [{ file: old, header: { component: 'unet' } }, {}],
      damaged: [],
    });
    expect(told.bytes).toBe(told.engines[0].bytes + told.engines[1].bytes);
  });

  it('shows everything of one, by its path or the start of its name', async () => {
    const path = await write();
    const { code, out } = await engines('inspect', 'unet-01');
    expect(code).toBe(0);
    const rows = Object.fromEntries(out.trimEnd().split('\n').map(cells));
    expect(rows).toMatchObject({
      ...{ file: path, component: 'unet', model: 'tiny', graph: `model.fp16.onnx, sha256 ${'ab'.repeat(32)}` },
      ...{ runtime: 'tensorrt 10.15.1', compute: '8.9', gpu: 'NVIDIA L4', driver: '13.1', precision: 'fp16' },
      ...{ profile: 'sample 1x4x16x16, 2x4x16x16, 8x4x16x16', workspace: "(TensorRT's own choice)" },
      ...{
        'timing cache': '(none)',
        'made by': '0.1.0',
        engine: expect.stringMatching(/^2\.9 KiB, sha256 [0-9a-f]{64}$/),
      },
      accuracy: 'similarity 0.999900, largest error 0.00300, against onnxruntime-node 1.30.0',
    });
    expect((await engines('inspect', path)).out).toBe(out);
    expect(JSON.parse((await engines('inspect', path, '--json')).out)).toEqual({ file: path, header: headerOf() });
  });

  it('says what an engine lacks that was built ahead of time', async () => {
    await write({
      ...{ gpu: null, driver: null, accuracy: null, shapes: [], fallback: 'fp16 overflowed' },
      flags: { workspaceBytes: 2 ** 30, timingCache: 'cd'.repeat(32) },
    });
    const rows = Object.fromEntries((await engines('inspect', 'unet')).out.trimEnd().split('\n').map(cells));
    expect(rows).toMatchObject({
      ...{ gpu: '(none: built ahead of time)', driver: '(none)', precision: 'fp16: fp16 overflowed', profile: 'fixed' },
      ...{ accuracy: 'not checked: the first use on a GPU does', workspace: '1.0 GiB' },
      'timing cache': `sha256 ${'cd'.repeat(32)}`,
    });
  });

  it('asks which is meant where it is several or none', async () => {
    await write();
    await write({}, 'f'.repeat(64));
    const several = await engines('inspect', 'unet');
    expect([several.code, several.out]).toEqual([3, '']);
    expect(several.err).toContain('starts with "unet" in');
    expect(several.err).toContain('found unet-0123456789ab, unet-ffffffffffff');
    expect((await engines('inspect', 'vae')).err).toMatch(/found none\nhint: Run `t2i engines`/);
    expect((await engines('inspect', './unet')).err).not.toContain('starts with');
  });

  it('tells one that is damaged apart, refuses it, and removes it', async () => {
    const path = await write();
    await write({ component: 'vae_decoder' });
    damage(path);
    const listed = await engines();
    expect(listed.out).toMatch(new RegExp(`^damaged +why\\n${basename(path)} +.*damaged`, 'm'));
    expect(listed.out).not.toMatch(/^unet-0123456789ab /m);
    const { engines: whole, damaged, bytes } = JSON.parse((await engines('--json')).out);
    expect([whole.length, damaged]).toEqual([
      1,
      [expect.objectContaining({ file: path, reason: expect.stringContaining('damaged') })],
    ]);
    expect(bytes).toBe(whole[0].bytes + damaged[0].bytes);
    expect((await engines('inspect', path)).code).toBe(3);
    const dry = await engines('prune', '--dry-run');
    expect(dry.out).toMatch(new RegExp(`^would remove +size +why\\n${basename(path)} +[\\d.]+ KiB +.*damaged`));
    expect(dry.err).toMatch(/: would remove 1 file, [\d.]+ KiB\n$/);
    expect(existsSync(path)).toBe(true);
    const pruned = await engines('prune', '--json');
    expect(JSON.parse(pruned.out)).toEqual({
      ...{ dir: cache, dryRun: false, bytes: damaged[0].bytes },
      removed: [{ file: path, bytes: damaged[0].bytes, reason: expect.stringContaining('damaged') }],
    });
    expect(readdirSync(cache).filter((name) => name.endsWith('.engine'))).toEqual([`vae_decoder-${KEY}.engine`]);
    expect(await engines('prune')).toEqual({ code: 0, out: '', err: `${cache}: removed 0 files, 0 B\n` });
  });

  it('lists nothing where there is no cache yet, and makes none', async () => {
    vi.stubEnv('T2I_ENGINE_CACHE', join(cache, 'absent'));
    expect(await engines()).toEqual({ code: 0, out: '', err: `${join(cache, 'absent')}: 0 engines, 0 B\n` });
    expect(existsSync(join(cache, 'absent'))).toBe(false);
  });

  it.each([
    [['list', 'x'], /file: expected nothing with list, received "x"/],
    [['inspect'], /file: expected an engine file with inspect, received nothing/],
    [['lits'], /action: unknown action "lits"; did you mean "list"/],
    [['list', '--dry-run'], /--dry-run: expected nothing with list/],
    [['inspect', '--dry-run'], /file: expected an engine.*\n.*--dry-run: expected/],
  ])('refuses %j', async (argv, words) => {
    mkdirSync(join(cache, 'folder'));
    const { code, out, err } = await engines(...argv);
    expect([code, out, err]).toEqual([2, '', expect.stringMatching(words)]);
  });
});
