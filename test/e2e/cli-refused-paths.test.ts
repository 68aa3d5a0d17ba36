import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { main } from '../../src/cli/main.js';
import { fakeIo } from '../support/fake-io.js';
import { noPosix, skipFor } from '../support/skip-for.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const TINY = join(ROOT, 'test/fixtures/tiny');
/** The program in a shell, as $T2I. */
const T2I = `"${process.execPath}" "${join(ROOT, 'bin/t2i.mjs')}"`;
const DRAW = `$T2I generate "a cat" --model "${TINY}" --steps 1 --seed 7`;
const BUG = /bug|\n {4}at /;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 't2i-refused-'));
  writeFileSync(join(folder, 'file'), 'in the way');
  symlinkSync('loop', join(folder, 'loop'));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** Runs a line of shell in the folder; what it prints comes back a character a byte. */
function shell(script: string, prefix: readonly string[] = [], env: NodeJS.ProcessEnv = process.env) {
  const [command, ...args] = [...prefix, 'sh', '-c', script.replaceAll('$T2I', T2I)];
  const { status, stdout, stderr } = spawnSync(command as string, args, { cwd: folder, env, encoding: 'latin1' });
  return { status, stdout, stderr };
}

const PATHS: [what: string, path: () => string][] = [
  ['below a file', () => join(folder, 'file', 'a.png')],
  ['through a loop of links', () => join(folder, 'loop', 'a.png')],
  ['that is a loop of links', () => join(folder, 'loop')],
  ['that is too long', () => join(folder, `${'x'.repeat(300)}.png`)],
  ['with NUL', () => join(folder, 'a\0.png')],
];

describe('a path that the system refuses', () => {
  it.each(
    PATHS.flatMap(([what, path]) =>
      [
        ['generate', 'a cat', '--model', TINY, '--steps', '1', '-o'],
        ['generate', '--model', TINY, '--steps', '1', '--batch'],
        ['bench', '--model', TINY, '--steps', '1', '--rounds', '1', '--html'],
        ['verify', '--model', TINY],
      ].map((argv) => [what, argv[0] as string, argv, path] as const),
    ),
  )('%s is named, and no bug: t2i %s', async (_what, _verb, argv, path) => {
    const io = fakeIo();
    expect([1, 2]).toContain(await main([...argv, path()], io));
    expect(io.err()).toContain(folder);
    expect(io.err()).not.toMatch(BUG);
    expect(readdirSync(folder).sort()).toEqual(['file', 'loop']);
  });

  it('in a line of a batch is named with its line', async () => {
    const batch = join(folder, 'file');
    writeFileSync(batch, JSON.stringify({ prompt: 'a cat', output: 'a\0.png' }));
    const io = fakeIo();
    expect(await main(['generate', '--model', TINY, '--batch', batch], io)).toBe(2);
    expect(io.err()).toContain('line 1: --output: expected a path without NUL');
  });
});

describe('standard output by other names', skipFor(noPosix), () => {
  it.each(['-', '/dev/stdout', '/dev/fd/1'])('%s gets the image, into a pipe and into a file', (name) => {
    expect(shell(`${DRAW} -o ${name} | cat`).stdout).toMatch(/^\x89PNG.*IEND.{4}$/s);
    expect(shell(`${DRAW} -o ${name} > whole.png && ${DRAW} -o same.png && cmp whole.png same.png`).status).toBe(0);
    expect(readdirSync(folder).sort()).toEqual(['file', 'loop', 'same.png', 'whole.png']);
  });

  it('a device takes the image as it is', () => {
    expect(shell(`${DRAW} -o /dev/null`)).toMatchObject({ status: 0, stdout: '/dev/null\n' });
    const { status, stderr } = shell(`${DRAW} -o /dev/full`);
    expect(status).toBe(1);
    expect(stderr).toMatch(/^error: Cannot write \/dev\/full: ENOSPC/m);
  });
});

describe('a full disk', () => {
  /** A file system of 8 KiB that only the command sees, less than the image takes. */
  const full = (script: string) =>
    shell(`mount -t tmpfs -o size=8k t2i small && { ${script}; status=$?; ls -A small >&2; exit $status; }`, [
      'unshare',
      '--mount',
    ]);

  beforeEach(({ skip }) => {
    mkdirSync(join(folder, 'small'));
    skip(full('true').status !== 0, 'mounting a small file system takes root');
  });

  it.each(['', '--preview'])('is told by the name of the file, and nothing stays: %s', (flag) => {
    const { status, stderr } = full(`${DRAW} --steps 20 ${flag} -o small/a.png`);
    expect(status).toBe(1);
    expect(stderr).toMatch(/^error: Cannot write small\/a\.png(\.preview\.png)?: ENOSPC/);
    // Nothing is left for `ls`.
    expect(stderr).toMatch(/that has space\.\n$/);
  });

  it.each(['-o -', '-o ../a.png --json', '-o a.png'])('is told where standard output lies on it: %s', (flags) => {
    const fill = 'head -c 8192 /dev/zero > small/out';
    const { status, stderr } = full(`${fill}; ${DRAW} ${flags} >> small/out`);
    expect(status).toBe(1);
    expect(stderr).toMatch(/^error: Cannot write to standard output: ENOSPC/m);
    expect(stderr).not.toMatch(BUG);
  });

  it('is told where it takes a part of the image', () => {
    const { status, stderr } = full(`${DRAW} -o - > small/half.png`);
    expect(status).toBe(1);
    expect(stderr).toMatch(/^error: Cannot write to standard output: ENOSPC/m);
  });
});

describe('a working folder that was deleted', skipFor(noPosix), () => {
  const deleted = (script: string) => shell(`mkdir gone && cd gone && rmdir ../gone && ${script}`);

  it.each([
    [`${DRAW} -o a.png`, 'a.png'],
    [DRAW, '.png'],
    [`$T2I generate --batch lines.jsonl --model "${TINY}"`, 'lines.jsonl'],
    ['$T2I generate "a cat" --model no-such', 'no-such'],
    ['$T2I inspect a.png', 'a.png'],
    ['$T2I bench --html a.html', 'a.html'],
    [`$T2I build-engine "${TINY}" --out engines`, 'engines'],
    ['T2I_ENGINE_CACHE=engines $T2I engines', 'engines'],
  ])('is told beside the path: %s', (script, path) => {
    const { status, stderr } = deleted(script);
    expect(status).toBe(1);
    expect(stderr).toContain(path);
    expect(stderr).not.toMatch(BUG);
  });

  it('is no hindrance for an absolute path', () => {
    const { status, stderr } = deleted(`${DRAW} -o "${folder}/a.png"`);
    expect(stderr).toContain('wrote');
    expect(status).toBe(0);
  });
});

describe('a user without a home folder', () => {
  const env = { PATH: process.env.PATH };
  /** A user id of which the system knows nothing. */
  const nobody = ['setpriv', '--reuid=54321', '--clear-groups'];
  const homeless = (script: string) => shell(script, nobody, env);

  beforeEach(({ skip }) => {
    skip(homeless('$T2I --version').status !== 0, 'taking another user id takes root, and a folder that all may read');
  });

  it('draws', () => {
    expect(homeless(`${DRAW} -o - | wc -c`).stderr).toContain('wrote');
  });

  it('is told so by the commands that want one, and no bug', () => {
    const { status, stderr } = homeless('$T2I engines');
    expect(status).toBe(1);
    expect(stderr).toMatch(/^error: This user has no home folder.*\n.*T2I_CACHE/);
    expect(stderr).not.toMatch(BUG);
  });

  it('sees it in doctor, among everything else', () => {
    const { status, stdout } = homeless('$T2I doctor');
    expect(status).toBe(0);
    expect(stdout).toMatch(/^default model +ok/m);
    expect(stdout).toMatch(/^engine cache +no +This user has no home folder/m);
  });
});
