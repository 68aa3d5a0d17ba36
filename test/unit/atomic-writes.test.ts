import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { readEngineFile, writeEngineFile } from '../../src/backends/tensorrt/engines/engine-file.js';
import { writeFileAtomic } from '../../src/files.js';
import { headerOf, SERIALIZED } from '../support/engines.js';

/** What was asked of the file system, in order, and the call that fails: a full disk may tell so at each of them. */
const disk = vi.hoisted(() => ({ calls: [] as string[], failing: -1 }));

vi.mock('node:fs/promises', async (original) => {
  const real = await original<typeof import('node:fs/promises')>();
  const { basename } = await import('node:path');
  const called = (call: string) => {
    disk.calls.push(call);
    if (disk.calls.length - 1 === disk.failing) throw Object.assign(new Error('ENOSPC: no space'), { code: 'ENOSPC' });
  };
  return {
    ...real,
    open: async (...args: Parameters<typeof real.open>): Promise<FileHandle> => {
      const name = basename(String(args[0]));
      called(`open ${name}`);
      const file = await real.open(...args);
      for (const method of ['writeFile', 'sync', 'close'] as const) {
        const run = file[method].bind(file) as (...values: unknown[]) => Promise<void>;
        const watched = async (...values: unknown[]) => {
          await run(...values);
          called(`${method} ${name}`);
        };
        Object.assign(file, { [method]: watched });
      }
      return file;
    },
    rename: async (from: string, to: string) => {
      called(`rename ${basename(from)} ${basename(to)}`);
      await real.rename(from, to);
    },
  };
});

let dir: string;
let path: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 't2i-atomic-'));
  path = join(dir, 'kept');
});
afterEach(() => rmSync(dir, { recursive: true }));

const image = Buffer.from('an image');
const engine = { header: headerOf(), serialized: SERIALIZED };

/** Every writer that promises a whole file, what it asks of the file system in order, and how its file is read. */
const WRITERS: [name: string, write: () => Promise<void>, calls: string[], whole: () => Promise<boolean>][] = [
  [
    'an image',
    () => writeFileAtomic(path, image),
    ['open T', 'writeFile T', 'sync T', 'close T', 'rename T kept'],
    async () => readFileSync(path).equals(image),
  ],
  [
    'an engine',
    () => writeEngineFile(path, engine),
    ['open T', 'writeFile T', 'writeFile T', 'sync T', 'close T', 'rename T kept', 'open D', 'sync D', 'close D'],
    async () => Buffer.from((await readEngineFile(path)).serialized).equals(Buffer.from(SERIALIZED)),
  ],
];

/** Runs with call number `failing` failing, none where it is -1, and gives the calls, with names for the file and the folder. */
async function recorded(run: () => Promise<void>, failing: number): Promise<{ calls: string[]; error: unknown }> {
  Object.assign(disk, { calls: [], failing });
  const error = await run().then(
    () => null,
    (caught: unknown) => caught,
  );
  disk.failing = -1;
  const temporary = disk.calls[0]?.slice('open '.length) as string;
  expect(temporary).not.toBe('kept');
  return { calls: disk.calls.map((call) => call.replace(temporary, 'T').replace(basename(dir), 'D')), error };
}

describe.each(WRITERS)('a file of %s', (_, write, calls, whole) => {
  it('is on the disk before it gets its name', async () => {
    expect(await recorded(write, -1)).toEqual({ calls, error: null });
    expect(await whole()).toBe(true);
    expect(readdirSync(dir)).toEqual(['kept']);
  });

  it.each(calls.map((call, index) => [call, index] as const))(
    'is the old one or the whole new one, and alone, where "%s" fails',
    async (call, index) => {
      writeFileSync(path, 'old');
      const { error } = await recorded(write, index);
      expect(error).toMatchObject({ code: 'IO_FAILED', message: expect.stringContaining(path) });
      expect(readdirSync(dir)).toEqual(['kept']);
      if (index <= calls.indexOf('rename T kept')) expect(readFileSync(path, 'utf8'), call).toBe('old');
      else expect(await whole(), call).toBe(true);
    },
  );
});
