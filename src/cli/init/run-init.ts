import { resolve } from 'node:path';
import { createProject } from '../../ops/project/create.js';
import { printable } from '../../printable.js';
import type { CommandInput } from '../command.js';
import { EXIT } from '../exit-codes.js';
import type { Io } from '../io.js';
import { printJson } from '../output.js';
import { projectFolder } from '../project-folder.js';
import { shellWord } from '../shell-word.js';

/** The handler of `t2i init`. */
export async function runInit({ args, flags }: CommandInput, io: Io): Promise<number> {
  const [given = ''] = args;
  const folder = resolve(projectFolder(io), given);
  const files = await createProject(folder);
  if (flags.json === true) printJson(io, { folder, files });
  else {
    io.stdout.write(files.map((file) => `${file}\n`).join(''));
    io.stderr.write(
      `Next: cd ${printable(shellWord(given))}; t2i data import YOUR_FOLDER; t2i params check; t2i pipeline run\n`,
    );
  }
  return EXIT.ok;
}
