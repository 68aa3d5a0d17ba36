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

/** Bytes of a text in two chunks that part within each of its characters that have several bytes, one place after the other. */
export function cutText(text: string): Uint8Array[][] {
  const bytes = Buffer.from(text);
  const within = [...bytes.keys()].filter((place) => ((bytes[place] as number) & 0xc0) === 0x80);
  return within.map((place) => [bytes.subarray(0, place), bytes.subarray(place)]);
}

/** An {@link Io} that collects what a command writes. */
export function fakeIo(
  options: {
    /** In chunks, as a pipe gives them. */
    stdin?: string | readonly Uint8Array[];
    env?: Io['env'];
    signal?: AbortSignal;
    terminal?: boolean;
    columns?: number | undefined;
    cwd?: string;
    sleep?: Io['sleep'];
    /** Called with each text that is written to standard error, once it is in {@link FakeIo.err}. */
    onErr?: (text: string) => void;
  } = {},
): FakeIo {
  const written = { out: '', err: '' };
  const output = (name: 'out' | 'err', onText?: (text: string) => void) => ({
    isTTY: options.terminal ?? false,
    columns: options.columns,
    write: (data: string | Uint8Array) => {
      const text = typeof data === 'string' ? data : Buffer.from(data).toString('latin1');
      written[name] += text;
      onText?.(text);
    },
  });
  async function* stdin() {
    if (options.stdin !== undefined) yield* typeof options.stdin === 'string' ? [options.stdin] : options.stdin;
  }
  return {
    stdin: stdin(),
    stdout: output('out'),
    stderr: output('err', options.onErr),
    env: { T2I_CACHE: TEST_CACHE, ...options.env },
    cwd: options.cwd,
    sleep: options.sleep,
    signal: options.signal ?? new AbortController().signal,
    out: () => written.out,
    err: () => written.err,
  };
}

/** What a terminal showed in its last line, one after the other; the last of them is what it shows then. */
export function shownLines(err: string): string[] {
  return err.split('\r\u001b[K');
}

/** Resolves when something is written to standard error from now on. */
export function whenTold({ stderr }: FakeIo): Promise<void> {
  return new Promise((resolve) => {
    const { write } = stderr;
    Object.assign(stderr, {
      write: (text: string) => {
        write(text);
        resolve();
      },
    });
  });
}
