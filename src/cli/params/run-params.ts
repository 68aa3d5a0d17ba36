import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { T2IError } from '../../errors.js';
import { cannotRead, writeFileAtomic } from '../../files.js';
import { importConfig } from '../../ops/params/import-config.js';
import { PARAMS_FILE, readParams } from '../../ops/params/read.js';
import { checkAction, refuseFile, requireFile } from '../actions.js';
import type { CommandInput } from '../command.js';
import { EXIT } from '../exit-codes.js';
import type { Io } from '../io.js';
import { note, printJson, warn } from '../output.js';
import { projectFolder } from '../project-folder.js';

const ACTIONS = ['check', 'show', 'import'] as const;

/** The handler of `t2i params`. */
export async function runParams({ args, flags }: CommandInput, io: Io): Promise<number> {
  const [given = 'check', file] = args;
  const action = checkAction(given, ACTIONS);
  const json = flags.json === true;
  if (action === 'import') {
    await importFile(requireFile(action, file, 'an older configuration'), json, io);
    return EXIT.ok;
  }
  refuseFile(action, file);
  const { params, warnings } = await readParams(projectFolder(io), { trains: action === 'check' });
  for (const warning of warnings) warn(io, warning);
  if (action === 'show') {
    if (json) printJson(io, params);
    else io.stdout.write(stringify(params, { lineWidth: 0 }));
  } else if (json) printJson(io, { file: PARAMS_FILE, warnings });
  else io.stderr.write(`${PARAMS_FILE} is right${warnings.length > 0 ? ', with warnings' : ''}\n`);
  return EXIT.ok;
}

async function importFile(file: string, json: boolean, io: Io): Promise<void> {
  const folder = projectFolder(io);
  const source = join(folder, file);
  const target = join(folder, PARAMS_FILE);
  const old = await readFile(source, 'utf8').catch((cause: unknown) => {
    throw cannotRead(source, cause);
  });
  const { text, notes } = importConfig(file, old);
  const there = await readFile(target, 'utf8').catch(() => null);
  if (there !== null && there !== text) {
    throw new T2IError('OPTION_INVALID', `${PARAMS_FILE} is there already, and says something else than ${file}`, {
      hint: `Move ${target} away, then run this again.`,
    });
  }
  await writeFileAtomic(target, Buffer.from(text));
  for (const sentence of notes) note(io, sentence);
  if (json) printJson(io, { file: PARAMS_FILE, notes });
  else io.stderr.write(`wrote ${target}; t2i params check says whether it can be trained\n`);
}
