import { packageVersion } from '../pipeline/package-version.js';
import { COMMANDS } from './commands.js';
import { readDefaults, withDefaults } from './config/defaults.js';
import { exitCode } from './exit-codes.js';
import { withFlagNames } from './flag-names.js';
import type { Io } from './io.js';
import { printError } from './output.js';
import { parseCommandLine } from './program.js';

/**
 * Runs one command line.
 *
 * @param argv what follows `t2i`
 * @returns the exit code; nothing is thrown and the process is not ended
 */
export async function main(argv: readonly string[], io: Io): Promise<number> {
  const invocation = parseCommandLine(COMMANDS, argv, io, packageVersion());
  if ('exitCode' in invocation) return invocation.exitCode;
  const { command } = invocation;
  let { input } = invocation;
  try {
    if (command.takesDefaults) input = withDefaults(command, input, readDefaults(io));
    return await command.run(input, io);
  } catch (error) {
    if (io.signal.aborted) io.stderr.write(`${(io.signal.reason as Error).message}\n`);
    else printError(io, withFlagNames(error, command, input), input.flags.json === true);
    return exitCode(error, io.signal);
  }
}
