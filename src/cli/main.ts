import { T2IError } from '../errors.js';
import { packageVersion } from '../pipeline/package-version.js';
import { type Command, longName } from './command.js';
import { COMMANDS } from './commands/index.js';
import { exitCode } from './exit-codes.js';
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
  const { command, input } = invocation;
  try {
    return await command.run(input, io);
  } catch (error) {
    if (io.signal.aborted) io.stderr.write(`${(io.signal.reason as Error).message}\n`);
    else printError(io, withFlagNames(error, command), input.flags.json === true);
    return exitCode(error, io.signal);
  }
}

/** The SDK's names of options in an error, such as `guidanceScale`, become the flags that the user typed. */
function withFlagNames(error: unknown, command: Command): unknown {
  if (!T2IError.is(error) || error.code !== 'OPTION_INVALID') return error;
  const issues = error.issues.map((issue) => {
    const flag = command.flags.find(({ sets }) => sets?.includes(issue.option));
    return flag ? { ...issue, option: longName(flag) } : issue;
  });
  const hint = error.hint ?? `t2i ${command.name} --help`;
  return new T2IError(error.code, error.message, { issues, hint, cause: error.cause });
}
