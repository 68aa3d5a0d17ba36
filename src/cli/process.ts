import { exitCode } from './exit-codes.js';
import { Interrupted } from './io.js';
import { main } from './main.js';

/** Runs the command line of this process. The first signal aborts in an orderly way, a second one ends at once. */
export async function runProcess(): Promise<void> {
  const controller = new AbortController();
  const interrupt = (signal: 'SIGINT' | 'SIGTERM' | 'SIGHUP') => {
    if (controller.signal.aborted) process.exit(exitCode(undefined, controller.signal));
    controller.abort(new Interrupted(signal));
  };
  process.on('SIGINT', interrupt).on('SIGTERM', interrupt).on('SIGHUP', interrupt);
  // Progress that nobody can read is no reason to stop: the images are what was asked for.
  process.stderr.on('error', () => {});
  // A reader that goes away, as `head` does, ends the program without a word; 141 is what a shell calls SIGPIPE.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 141 : 1));
  const { stdin, stdout, stderr, env } = process;
  process.exitCode = await main(process.argv.slice(2), { stdin, stdout, stderr, env, signal: controller.signal });
}
