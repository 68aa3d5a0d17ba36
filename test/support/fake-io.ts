import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Io } from '../../src/cli/io.js';

/** Caches of the tests, away from the user's own. */
const TEST_CACHE = join(tmpdir(), 't2i-test-cache');

export interface FakeIo extends Io {
  /** All that was written so far. */
  out(): string;
  err(): string;
}

/** An {@link Io} that collects what a command writes. */
export function fakeIo(
  options: {
    stdin?: string;
    env?: Io['env'];
    signal?: AbortSignal;
    terminal?: boolean;
    columns?: number | undefined;
    cwd?: string;
  } = {},
): FakeIo {
  const written = { out: '', err: '' };
  const output = (name: 'out' | 'err') => ({
    isTTY: options.terminal ?? false,
    columns: options.columns,
    write: (data: string | Uint8Array) => {
      written[name] += typeof data === 'string' ? data : Buffer.from(data).toString('latin1');
    },
  });
  async function* stdin() {
    if (options.stdin !== undefined) yield options.stdin;
  }
  return {
    stdin: stdin(),
    stdout: output('out'),
    stderr: output('err'),
    env: { T2I_CACHE: TEST_CACHE, ...options.env },
    cwd: options.cwd,
    signal: options.signal ?? new AbortController().signal,
    out: () => written.out,
    err: () => written.err,
  };
}
