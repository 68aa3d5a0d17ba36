import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { main } from '../../../src/cli/main.js';
// Loaded with the file, not by whichever test is the first.
import '../../../src/cli/model/run-model.js';
import { fakeIo } from '../../support/fake-io.js';
import { writeFakePython } from '../../support/fake-python.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 't2i-model-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

async function t2i(...argv: string[]) {
  const io = fakeIo({ cwd: folder });
  return { code: await main(argv, io), out: io.out(), err: io.err() };
}

describe('t2i model', () => {
  it.each([
    [['pack', 'a/b'], 'pack_model', ['a/b', 'a/b.zip']],
    [['pack', 'a/b//'], 'pack_model', ['a/b', 'a/b.zip']],
    [['pack', '/'], 'pack_model', ['/', '/.zip']],
    [['pack', 'a', 'b.zip'], 'pack_model', ['a', 'b.zip']],
    [['unpack', 'a.zip'], 'unpack_model', ['a.zip', 'a']],
    [['unpack', 'a.packed'], 'unpack_model', ['a.packed', 'a.packed.model']],
    [['convert-pickle', 'a.b/c.pth'], 'convert_pickle', ['a.b/c.pth', 'a.b/c.safetensors']],
    [['convert-pickle', 'a.b/c'], 'convert_pickle', ['a.b/c', 'a.b/c.safetensors']],
  ])('%j works on files, in a project or not', async (argv, stage, [source, target]) => {
    const python = writeFakePython(join(folder, '.python'));
    const { code, out, err } = await t2i('model', ...argv, '--python', python, '--json');
    expect([code, err, JSON.parse(out)]).toEqual([
      ...[
        0,
        '',
        expect.objectContaining({ stage, project: folder, options: ['--source', source, '--target', target] }),
      ],
    ]);
  });

  it('reads a pickle as code only where its file is trusted', async () => {
    const python = writeFakePython(join(folder, '.python'));
    const argv = ['convert-pickle', 'a.pth', '--i-trust-this-file', '--python', python, '--json'];
    expect(JSON.parse((await t2i('model', ...argv)).out).options).toContain('--i-trust-this-file');
  });

  it.each([
    [['walk', 'a'], /unknown action "walk"/],
    [['pack', 'a', '--i-trust-this-file'], /--i-trust-this-file: expected nothing with pack/],
    [['unpack', 'a', '--i-trust-this-file'], /--i-trust-this-file: expected nothing with unpack/],
  ])('refuses %j', async (argv, words) => {
    expect(await t2i('model', ...argv)).toEqual({ code: 2, out: '', err: expect.stringMatching(words) });
  });
});

describe('t2i init', () => {
  it('makes a project, lists its files, and says what comes next', async () => {
    const { code, out, err } = await t2i('init', 'flowers');
    expect([code, err]).toEqual([0, expect.stringMatching(/^Next: cd flowers; t2i data import /)]);
    const files = out.trimEnd().split('\n');
    expect(files).toContain('params.yaml');
    for (const file of files) expect(existsSync(join(folder, 'flowers', file)), file).toBe(true);
    expect((await t2i('init', 'my work/flowers')).err).toMatch(/^Next: cd "my work\/flowers"; /);
    const told = JSON.parse((await t2i('init', 'more', '--json')).out);
    expect(told).toEqual({ folder: join(folder, 'more'), files });
    expect((await t2i('init', 'flowers')).code).not.toBe(0);
  });

  it('prints no folder that would steer a terminal', async () => {
    expect((await t2i('init', 'a\u001b[2Jb/flowers')).err).toContain('cd "a\\u{1b}[2Jb/flowers');
  });
});
