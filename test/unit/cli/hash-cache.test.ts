import { cpSync, mkdtempSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { openHashCache } from '../../../src/cli/hash-cache.js';
import { readModel } from '../../../src/cli/read-model.js';
import { describeModel } from '../../../src/model/layout.js';
import { fakeIo } from '../../support/fake-io.js';

const TINY = fileURLToPath(new URL('../../fixtures/tiny', import.meta.url));
const UNET = 'unet/model.onnx';

let folder: string;
let model: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 't2i-hashes-'));
  model = join(folder, 'model');
  cpSync(TINY, model, { recursive: true });
});
afterEach(() => {
  vi.useRealTimers();
  rmSync(folder, { recursive: true });
});

const env = () => ({ T2I_CACHE: folder });
const cacheFile = () => join(folder, 't2i/hashes.json');
const later = () => vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 10_000 });
const read = async () => (await readModel(model, fakeIo({ env: env() }))).hashes;
/** Waits until a file that is written now has a later time than that one: file systems count in steps. */
function untilTimesDiffer(path: string): void {
  const probe = join(folder, 'probe');
  do writeFileSync(probe, '');
  while (statSync(probe).ctimeMs <= statSync(path).ctimeMs);
}
/** Puts a hash that no file has into the cache, so that whoever takes it from there is found out. */
function mark(path: string): string {
  const entries = JSON.parse(readFileSync(cacheFile(), 'utf8'));
  entries[join(model, path)].sha256 = 'f'.repeat(64);
  writeFileSync(cacheFile(), JSON.stringify(entries));
  return 'f'.repeat(64);
}

describe('the hashes of a model', () => {
  it('are taken once, and not again while its files are the same', async () => {
    later();
    const first = await read();
    expect(first).toEqual((await describeModel(model)).hashes);
    expect((await read())[UNET]).toBe(first[UNET]);
    const marked = mark(UNET);
    expect((await read())[UNET]).toBe(marked);
  });

  it.each<[string, (path: string) => void]>([
    ['has another size', (path) => writeFileSync(path, Buffer.concat([readFileSync(path), Buffer.of(0x72, 0)]))],
    ['was written again, and its time set back', (path) => rewritten(path)],
    ['was replaced', (path) => replaced(path)],
  ])('are taken again of a file that %s', async (_, change) => {
    later();
    await read();
    const marked = mark(UNET);
    untilTimesDiffer(join(model, UNET));
    change(join(model, UNET));
    const hash = (await readModel(model, fakeIo({ env: env() })).catch(() => null))?.hashes[UNET];
    expect(hash).not.toBe(marked);
  });

  it('are not kept of a file that changed a moment ago', async () => {
    await read();
    await expect(async () => statSync(cacheFile())).rejects.toThrow('ENOENT');
  });

  it.each(['{', '[]', 'null', '{"x": 1}'])('are taken where the cache is %s', async (text) => {
    later();
    await read();
    writeFileSync(cacheFile(), text);
    expect(await read()).toEqual((await describeModel(model)).hashes);
  });

  it.each([
    ['none', undefined],
    ['one in capitals', 'F'.repeat(64)],
    ['one too long', 'f'.repeat(65)],
    ['one with something before it', `x${'f'.repeat(64)}`],
    ['a number', 7],
  ])('are taken where the cache has %s in the place of a hash', async (_, sha256) => {
    later();
    await read();
    const entries = JSON.parse(readFileSync(cacheFile(), 'utf8'));
    entries[join(model, UNET)].sha256 = sha256;
    writeFileSync(cacheFile(), JSON.stringify(entries));
    expect(await read()).toEqual((await describeModel(model)).hashes);
  });

  it('are taken where the cache cannot be written', async () => {
    later();
    writeFileSync(join(folder, 't2i'), '');
    expect(await read()).toEqual((await describeModel(model)).hashes);
  });
});

it('forgets the oldest of a thousand files', async () => {
  const cache = await openHashCache(fakeIo({ env: env() }));
  const stamp = { size: 1, changedMs: 0, inode: 1 };
  for (let i = 0; i < 1002; i++) cache.keep(`/${i}`, stamp, 'a'.repeat(64));
  await cache.save();
  const again = await openHashCache(fakeIo({ env: env() }));
  expect([again.recall('/1', stamp), again.recall('/2', stamp)]).toEqual([undefined, 'a'.repeat(64)]);
});

function rewritten(path: string): void {
  const { atime, mtime } = statSync(path);
  writeFileSync(path, readFileSync(path));
  utimesSync(path, atime, mtime);
}

function replaced(path: string): void {
  const bytes = readFileSync(path);
  rmSync(path);
  writeFileSync(path, bytes);
}
