import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { pythonOf } from '../support/python.js';
import { skipFor } from '../support/skip-for.js';

const { python, lack } = pythonOf('trainer/requirements.lock');
const TORCH_LOADED = 'import sys; print("torch" in sys.modules)';

/** All that a program can see of how it was started, and that differs from one start to the next. */
const SEEN = `
import json, os, resource, signal, sys
print(json.dumps({
    "argv": sys.argv, "name": __name__, "cwd": os.getcwd(), "parent": os.getppid(), "first": sys.path[0],
    "added": [path for path in sys.path if "added" in path], "canary": os.environ.get("CANARY"), "stdin": sys.stdin.read(),
    "umask": os.umask(0), "bytecode": sys.dont_write_bytecode, "term": signal.getsignal(signal.SIGTERM) == signal.SIG_DFL,
    "handler": signal.getsignal(signal.SIGINT).__name__, "file": globals().get("__file__"), "prefix": sys.prefix,
    "through": [sys.stdout.write_through, sys.stderr.write_through], "files": resource.getrlimit(resource.RLIMIT_NOFILE),
}))
print("and the other stream", file=sys.stderr)
`;

describe('a process that the warm interpreter stands for', skipFor(lack), () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 't2i-warm-python-'));
    writeFileSync(join(folder, 'seen.py'), SEEN);
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  const start = (args: string[], env: NodeJS.ProcessEnv = {}, detached = false) =>
    spawn(python, args, { cwd: folder, env: { ...process.env, ...env }, detached });
  const ended = async (child: ChildProcess) => {
    const [out, err, [code, signal]] = await Promise.all([
      text(child.stdout as NodeJS.ReadableStream),
      text(child.stderr as NodeJS.ReadableStream),
      once(child, 'close'),
    ]);
    return { out, err, code, signal };
  };
  const run = (args: string[], env?: NodeJS.ProcessEnv, input = '') => {
    const child = start(args, env);
    child.stdin.end(input);
    return ended(child);
  };

  it('has the libraries loaded, unless a real start is asked for', async () => {
    expect(await run(['-c', TORCH_LOADED])).toMatchObject({ out: 'True\n', err: '', code: 0 });
    expect(await run(['-c', TORCH_LOADED], { T2I_COLD_PYTHON: '1' })).toMatchObject({ out: 'False\n' });
    expect(await run(['-I', '-c', TORCH_LOADED])).toMatchObject({ out: 'False\n' });
  });

  it.each([
    ['a script', ['seen.py', 'one', '--two']],
    ['a script by its path, unbuffered', ['-u', './seen.py']],
    ['a module', ['-m', 'seen', 'one']],
    ['code', ['-c', SEEN, 'one']],
  ])('sees what %s sees that is really started', async (_, args) => {
    const env = { CANARY: 'ü', PYTHONPATH: join(folder, 'added'), PYTHONDONTWRITEBYTECODE: '1' };
    const [warm, cold] = [await run(args, env, 'given'), await run(args, { ...env, T2I_COLD_PYTHON: '1' }, 'given')];
    expect(JSON.parse(warm.out)).toEqual(JSON.parse(cold.out));
    expect(warm).toEqual(cold);
  });

  it.each([
    ['sys.exit(7)', 7],
    ['sys.exit("why")', 1],
    ['raise ValueError("why")', 1],
    ['import atexit; atexit.register(print, "at the end")', 0],
  ])('ends as a real one: %s', async (code, expected) => {
    const args = ['-c', `import sys; print("begun"); ${code}`];
    const [warm, cold] = [await run(args), await run(args, { T2I_COLD_PYTHON: '1' })];
    expect([warm.code, warm.signal, warm.out]).toEqual([expected, null, cold.out]);
    expect(warm.err.split('\n').at(-2)).toBe(cold.err.split('\n').at(-2));
  });

  it('passes signals on, and ends by the one that ended the process', async () => {
    const catching = 'import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit(5))';
    for (const [code, expected] of [
      [catching, { code: 5, signal: null }],
      ['', { code: null, signal: 'SIGTERM' }],
    ] as const) {
      const child = start(['-u', '-c', `${code}\nprint("ready")\nimport time; time.sleep(1000)`]);
      await once(child.stdout, 'data');
      child.kill('SIGTERM');
      expect(await ended(child)).toMatchObject(expected);
    }
  });

  it.each([false, true])(
    'takes the process with it where it is killed (in a group of its own: %s)',
    async (detached) => {
      const child = start(['-u', '-c', 'import os, time; print(os.getpid()); time.sleep(1000)'], {}, detached);
      const [pid] = await once(child.stdout, 'data');
      expect(Number(pid)).not.toBe(child.pid);
      if (detached) process.kill(-(child.pid as number), 'SIGKILL');
      else child.kill('SIGKILL');
      // The pipe closes as the process ends, which holds its other end.
      expect(await ended(child)).toMatchObject({ signal: 'SIGKILL' });
    },
  );
});
