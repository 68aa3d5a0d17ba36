import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { main } from '../../../src/cli/main.js';
import { fakeIo } from '../../support/fake-io.js';

/** Stands for the trainer's interpreter: its result is what the stage was started with. */
const PYTHON = `#!${process.execPath}
const value = { options: process.argv.slice(7), ...JSON.parse(process.env.T2I_TEST_FOUND ?? '{}') };
console.log(JSON.stringify({ event: 'result', value }));
`;

let project: string;
let python: string;
beforeAll(() => {
  project = mkdtempSync(join(tmpdir(), 't2i-data-'));
  python = join(project, 'python');
  writeFileSync(python, PYTHON);
  chmodSync(python, 0o755);
  writeFileSync(join(project, 'params.yaml'), '{}');
});
afterAll(() => rmSync(project, { recursive: true }));

async function data(...argv: string[]) {
  const io = fakeIo({ cwd: project });
  const code = await main(['data', ...argv, '--python', python, '--json'], io);
  return { code, said: JSON.parse(io.out()) };
}

describe('t2i data', () => {
  it('imports and prepares more images where there are fewer than are trained on', async () => {
    const images = join(project, 'data/raw/dataset/images');
    mkdirSync(images, { recursive: true });
    writeFileSync(join(images, 'a.png'), '');
    expect((await data('import', 'more')).code).toBe(0);
    for (const action of ['caption', 'embed', 'latents', 'check']) expect((await data(action)).code, action).toBe(0);
    rmSync(images, { recursive: true });
  });

  it.each(['caption', 'embed', 'latents'])('%s works in one process unless told', async (action) => {
    expect(await data(action)).toEqual({ code: 0, said: { options: [] } });
  });

  it.each(['caption', 'embed', 'latents'])('%s goes to a Ray cluster on request', async (action) => {
    const flags = ['--on', 'ray', '--ray-address', '10.0.0.5:6379', '--ray-workers', '4'];
    expect(await data(action, ...flags)).toEqual({ code: 0, said: { options: flags } });
  });

  it('ends with 1 where a check finds errors', async () => {
    vi.stubEnv('T2I_TEST_FOUND', '{"ok": true, "errors": []}');
    expect((await data('check')).code).toBe(0);
    vi.stubEnv('T2I_TEST_FOUND', '{"ok": false, "errors": ["a caption"]}');
    expect(await data('check')).toMatchObject({ code: 1, said: { ok: false, errors: ['a caption'] } });
    vi.unstubAllEnvs();
  });

  it('refuses everything that is wrong with where it works at once', async () => {
    const issues = async (...argv: string[]) => {
      const { code, said } = await data(...argv);
      expect(code).toBe(2);
      return said.error.issues.map(({ option }: { option: string }) => option);
    };
    expect(await issues('embed', '--on', 'spark', '--ray-workers', '0')).toEqual(['--on', '--ray-workers']);
    expect(await issues('embed', '--on', 'here', '--ray-workers', '2', '--overwrite')).toEqual([
      '--overwrite',
      '--ray-workers',
    ]);
    expect(await issues('check', '--on', 'ray')).toEqual(['--on']);
  });
});
