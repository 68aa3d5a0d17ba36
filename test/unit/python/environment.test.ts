import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { installedPython, trainerPython } from '../../../src/python/environment.js';

const { signal } = new AbortController();
let bin: string;
beforeEach(() => {
  bin = mkdtempSync(join(tmpdir(), 't2i-python3-'));
  vi.stubEnv('PATH', bin);
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(bin, { recursive: true });
});

/** The only python3 there is: a shell script in its place. */
function python3(...lines: string[]) {
  const path = join(bin, 'python3');
  writeFileSync(path, ['#!/bin/sh', ...lines].join('\n'));
  chmodSync(path, 0o755);
}

describe("the trainer's interpreter", () => {
  it('is the one that is given, and nothing is set up for it', async () => {
    expect(await trainerPython('/opt/python', () => undefined, signal)).toBe('/opt/python');
  });

  it('is set up where it is missing, and what that says is passed on', async () => {
    python3('echo "installing, $*" >&2', 'echo first', 'echo /cache/bin/python');
    const said: string[] = [];
    expect(await trainerPython(undefined, (line) => said.push(line), signal)).toBe('/cache/bin/python');
    expect(said).toEqual([expect.stringMatching(/^installing, .*env\.py$/)]);
  });

  it('is set up without a question that nobody would answer', async () => {
    python3('read answer', 'echo /cache/bin/python');
    expect(await trainerPython(undefined, () => undefined, signal)).toBe('/cache/bin/python');
  });

  it('is not set up where only an installed one will do', async () => {
    python3('echo "$*" >&2', 'echo "not installed" >&2', 'exit 69');
    await expect(installedPython(signal)).rejects.toMatchObject({
      code: 'PYTHON_UNAVAILABLE',
      message: 'not installed',
      hint: expect.stringContaining('env.py` installs'),
    });
    python3('echo "$2"');
    expect(await installedPython(signal)).toBe('--installed');
  });

  it.each([
    ['a tool is missing', ['echo "no venv module" >&2', 'exit 69'], 'no venv module'],
    ['pip fails', ['echo "pip failed" >&2', 'exit 1'], "the trainer's environment could not be set up: pip failed"],
    ['nothing is said', ['exit 3'], "the trainer's environment could not be set up: env.py ended with 3"],
    ['nothing is named', ['exit 0'], "the trainer's environment could not be set up: env.py ended with 0"],
    [
      'it fails behind the name',
      ['echo /cache/bin/python', 'exit 1'],
      "the trainer's environment could not be set up: env.py ended with 1",
    ],
  ])('is refused where %s', async (_, lines, message) => {
    python3(...lines);
    const refused = { code: 'PYTHON_UNAVAILABLE', message, hint: expect.stringContaining('--python PATH') };
    await expect(trainerPython(undefined, () => undefined, signal)).rejects.toMatchObject(refused);
  });

  it('is refused where there is no python3', async () => {
    const refused = { code: 'PYTHON_UNAVAILABLE', message: expect.stringMatching(/^python3 cannot be started/) };
    await expect(trainerPython(undefined, () => undefined, signal)).rejects.toMatchObject(refused);
    await expect(installedPython(signal)).rejects.toMatchObject(refused);
  });

  it('ends with the reason of an abort', async () => {
    python3('while :; do :; done');
    const abort = new AbortController();
    const python = trainerPython(undefined, () => undefined, abort.signal);
    abort.abort(new Error('enough'));
    await expect(python).rejects.toThrow('enough');
  });
});
