import { T2IError } from '../errors.js';
import { EXIT } from './exit-codes.js';
import { Interrupted, type Io } from './io.js';
import { main } from './main.js';
import { printError } from './output.js';
import { standardOutput } from './standard-output.js';

/** What a shell calls a program that SIGPIPE ended. */
const READER_GONE = 141;

/** Runs the command line of this process. The first signal aborts in an orderly way, a second one ends at once. */
export async function runProcess(): Promise<void> {
  const controller = new AbortController();
  const interrupt = (signal: 'SIGINT' | 'SIGTERM' | 'SIGHUP') => {
    if (controller.signal.aborted) endBy(signal);
    controller.abort(new Interrupted(signal));
    // Whoever reads it would wait for its end.
    process.stdin.destroy();
  };
  process.on('SIGINT', interrupt).on('SIGTERM', interrupt).on('SIGHUP', interrupt);
  // Progress that nobody can read is no reason to stop: the images are what was asked for.
  process.stderr.on('error', () => {});
  const { stdin, stderr, env } = process;
  const stdout = standardOutput(process.stdout, (error) => {
    // A reader that goes away, as `head` does, ends the program without a word.
    if (error.code === 'EPIPE') process.exit(READER_GONE);
    const hint = 'Send it to a disk that has space.';
    const failure = new T2IError('IO_FAILED', `Cannot write to standard output: ${error.message}`, {
      hint,
      cause: error,
    });
    printError(io, failure, false);
    process.exit(EXIT.failure);
  });
  const io: Io = { stdin, stdout, stderr, env, signal: controller.signal };
  process.exitCode = await main(process.argv.slice(2), io);
}

/** As the signal does where nobody listens: `process.exit` waits for reads that have no end, of a pipe or a lost network disk. */
function endBy(signal: NodeJS.Signals): void {
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
}
