import { describeValue, refuse } from '../../fields.js';
import { didYouMean } from '../../suggest.js';
import type { Command, CommandInput } from '../command.js';
import { COMMANDS } from '../commands.js';
import { EXIT } from '../exit-codes.js';
import type { Io } from '../io.js';
import { bashScript } from './bash.js';
import { SHELLS } from './command.js';
import { fishScript } from './fish.js';
import { zshScript } from './zsh.js';

const SCRIPTS: Readonly<Record<(typeof SHELLS)[number], (commands: readonly Command[]) => string>> = {
  bash: bashScript,
  zsh: zshScript,
  fish: fishScript,
};

/** The handler of `t2i completion`. */
export async function printCompletion({ args: [given = ''] }: CommandInput, io: Io): Promise<number> {
  const shell = SHELLS.find((name) => name === given);
  if (shell !== undefined) io.stdout.write(SCRIPTS[shell](COMMANDS));
  else {
    const received = describeValue(given);
    const problem = `unknown shell ${received}${didYouMean(given, SHELLS)}`;
    refuse([{ option: 'shell', expected: `one of ${SHELLS.join(', ')}`, received, problem }]);
  }
  return EXIT.ok;
}
