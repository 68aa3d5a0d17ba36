import { CommanderError, Option, Command as Program } from 'commander';
import { T2IError } from '../errors.js';
import type { Command, CommandInput } from './command.js';
import { EXIT, EXIT_LIST } from './exit-codes.js';
import { withVerb } from './implicit-verb.js';
import type { Io } from './io.js';
import { printError } from './output.js';
import { usageError } from './usage-error.js';

/** What the command line asks for: a command to run, or nothing more, since help or a usage error was printed. */
export type Invocation = { readonly command: Command; readonly input: CommandInput } | { readonly exitCode: number };

/**
 * Parses the command line. Help and version go to standard output; a usage error goes to standard error, with the name that was
 * probably meant where a command or flag is unknown, and as JSON to standard output where that is asked for.
 */
export function parseCommandLine(
  commands: readonly Command[],
  argv: readonly string[],
  io: Io,
  version: string,
): Invocation {
  try {
    return parse(commands, withVerb(commands, argv), io, version);
  } catch (error) {
    if (!T2IError.is(error)) throw error;
    printError(io, error, argv.includes('--json'));
    return { exitCode: EXIT.usage };
  }
}

/** @throws T2IError OPTION_INVALID for a usage error */
function parse(commands: readonly Command[], argv: readonly string[], io: Io, version: string): Invocation {
  let invocation: Invocation = { exitCode: EXIT.usage };
  const program = configure(new Program('t2i'), io, null)
    .usage('"a red apple" | <command> [options]')
    .description('Text to image, in this very process: no service, no download.')
    .version(version, '-v, --version', 'print the version')
    .helpCommand('help [command]', 'Print the help of a command.')
    .addHelpText(
      'after',
      `\nExit codes:\n${EXIT_LIST.map(([code, meaning]) => `  ${String(code).padEnd(5)}${meaning}\n`).join('')}`,
    );
  for (const command of commands) {
    const sub = configure(program.command(command.name), io, command);
    sub.summary(command.summary).description(command.summary);
    for (const argument of command.arguments) {
      sub.argument(argument.required ? `<${argument.name}>` : `[${argument.name}]`, argument.description);
    }
    for (const { flags, description, hidden } of command.flags) {
      sub.addOption(new Option(flags, description).hideHelp(hidden === true));
    }
    sub.addHelpText('after', `\nExamples:\n${command.examples.map((line) => `  ${line}\n`).join('')}`);
    sub.action(() => {
      // `processedArgs` leaves an optional argument undefined; `opts` holds the flags by their long names.
      invocation = { command, input: { args: sub.processedArgs as string[], flags: givenFlags(sub) } };
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

/** Without what was left out: where there is a flag `--no-metadata`, commander sets `metadata`. */
function givenFlags(sub: Program): CommandInput['flags'] {
  return Object.fromEntries(Object.entries(sub.opts()).filter(([key]) => sub.getOptionValueSource(key) !== 'default'));
}

function configure(program: Program, io: Io, command: Command | null): Program {
  return program
    .helpOption('-h, --help', 'print this help')
    .exitOverride((error) => {
      // Help that nobody asked for, where `t2i` stands alone, is printed already, too.
      const printed = error.exitCode === 0 || error.code === 'commander.help';
      throw printed ? error : usageError(error, command, program.args);
    })
    .configureOutput({
      writeOut: (text) => io.stdout.write(text),
      writeErr: (text) => io.stderr.write(text),
      // Usage errors are thrown, and printed as every other error.
      outputError: () => {},
    });
}
