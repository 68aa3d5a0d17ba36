import { CommanderError, Command as Program } from 'commander';
import type { Command, CommandInput } from './command.js';
import { EXIT, EXIT_LIST } from './exit-codes.js';
import type { Io } from './io.js';

/** What the command line asks for: a command to run, or nothing more, since help or a usage error was printed. */
export type Invocation = { readonly command: Command; readonly input: CommandInput } | { readonly exitCode: number };

/**
 * Parses the command line. Help and version go to standard output; a usage error goes to standard error, with the nearest
 * name where a command or flag is unknown.
 */
export function parseCommandLine(
  commands: readonly Command[],
  argv: readonly string[],
  io: Io,
  version: string,
): Invocation {
  let invocation: Invocation = { exitCode: EXIT.usage };
  const program = configure(new Program('t2i'), io)
    .description('Text to image, in this very process: no service, no download.')
    .version(version, '-V, --version', 'print the version')
    .helpCommand(false)
    .addHelpText(
      'after',
      `\nExit codes:\n${EXIT_LIST.map(([code, meaning]) => `  ${String(code).padEnd(5)}${meaning}\n`).join('')}`,
    );
  for (const command of commands) {
    const sub = configure(program.command(command.name), io).summary(command.summary).description(command.summary);
    for (const argument of command.arguments) {
      sub.argument(argument.required ? `<${argument.name}>` : `[${argument.name}]`, argument.description);
    }
    for (const { flags, description } of command.flags) sub.option(flags, description);
    sub.addHelpText('after', `\nExamples:\n${command.examples.map((line) => `  ${line}\n`).join('')}`);
    sub.action(() => {
      // `processedArgs` leaves an optional argument undefined; `opts` holds the flags by their long names.
      invocation = { command, input: { args: sub.processedArgs as string[], flags: sub.opts() } };
    });
  }
  try {
    program.parse(argv as string[], { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return { exitCode: error.exitCode === 0 ? EXIT.ok : EXIT.usage };
  }
  return invocation;
}

function configure(program: Program, io: Io): Program {
  return program
    .helpOption('-h, --help', 'print this help')
    .exitOverride()
    .showSuggestionAfterError(true)
    .configureOutput({
      writeOut: (text) => io.stdout.write(text),
      writeErr: (text) => io.stderr.write(text),
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    });
}
