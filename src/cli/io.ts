import { setTimeout } from 'node:timers/promises';

/** Where text goes; `isTTY` decides about colour and progress bars. */
export interface TextOutput {
  write(data: string | Uint8Array): unknown;
  readonly isTTY?: boolean | undefined;
  /** Width of the terminal, where it is one. */
  readonly columns?: number | undefined;
}

/** All of the outside world that a command touches, so that tests can run one in process. */
export interface Io {
  readonly stdin: AsyncIterable<Uint8Array | string>;
  /** Data only: what a script reads. */
  readonly stdout: TextOutput;
  /** Progress, warnings and errors: what a person reads. */
  readonly stderr: TextOutput;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Absolute path of the folder whose configuration holds; the working folder where it is left out. */
  readonly cwd?: string | undefined;
  /** Waits so many milliseconds; by the system's clock where it is left out. */
  readonly sleep?: ((milliseconds: number) => Promise<void>) | undefined;
  /** Aborted with an {@link Interrupted} when the user or the system ends the program. */
  readonly signal: AbortSignal;
}

/** Why a command was aborted. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';

  constructor(readonly signal: 'SIGINT' | 'SIGTERM' | 'SIGHUP') {
    super(`interrupted by ${signal}`);
  }
}

/** Waits so many milliseconds. @throws the signal's reason when aborted */
export async function sleep(io: Io, milliseconds: number): Promise<void> {
  if (io.sleep) await io.sleep(milliseconds);
  else await setTimeout(milliseconds, undefined, { signal: io.signal }).catch(() => {});
  io.signal.throwIfAborted();
}

/** All of standard input as text, without its last line break. */
export async function readStdin(io: Io): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  for await (const chunk of io.stdin)
    text += typeof chunk === 'string' ? chunk : decoder.decode(chunk, { stream: true });
  return (text + decoder.decode()).replace(/\r?\n$/, '');
}
