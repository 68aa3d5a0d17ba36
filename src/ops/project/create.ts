import { readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { T2IError } from '../../errors.js';
import { refuse } from '../../fields.js';
import { makeFolder, writeFileAtomic } from '../../files.js';
import { NAME } from '../params/name.js';
import { PARAMS_FILE, TEMPLATE_FILE } from '../params/read.js';

const TEMPLATES = fileURLToPath(new URL('../../../templates/project', import.meta.url));
/** What stands for the project's name in the templates. */
const OWN_NAME = 'my-model';

/**
 * Makes a project in a new or empty folder.
 *
 * @param folder absolute path
 * @returns the files it wrote, by their paths in the folder
 * @throws T2IError OPTION_INVALID where the folder holds something or has a name that no model can have, IO_FAILED
 */
export async function createProject(folder: string): Promise<string[]> {
  const name = basename(folder);
  if (!NAME.pattern.test(name)) {
    const expected = `a folder named by ${NAME.expected}`;
    refuse([{ option: 'folder', expected, received: JSON.stringify(name) }]);
  }
  const there = await readdir(folder).catch(() => []);
  if (there.length > 0) {
    throw new T2IError('OPTION_INVALID', `folder: ${folder} is not empty`, {
      issues: [{ option: 'folder', expected: 'a new or empty folder', received: `${there.length} entries` }],
      hint: 'Name another folder; nothing was written.',
    });
  }
  await makeFolder(folder);
  const names = (await readdir(TEMPLATES, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(TEMPLATES.length + 1));
  const written: string[] = [];
  for (const file of names) {
    // npm leaves files named .gitignore out of a package.
    const target = file.replace(/(^|\/)dot-/, '$1.');
    const text = (await readFile(join(TEMPLATES, file), 'utf8')).replaceAll(OWN_NAME, name);
    for (const path of target === TEMPLATE_FILE ? [target, PARAMS_FILE] : [target]) {
      await makeFolder(join(folder, path, '..'));
      await writeFileAtomic(join(folder, path), Buffer.from(text));
      written.push(path);
    }
  }
  return written.sort();
}
