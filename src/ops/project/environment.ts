import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import { cannotRead } from '../../files.js';

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The environment of a project's commands: that of the process, then what `.env` in the project's folder says. An empty value is none.
 *
 * @throws T2IError IO_FAILED
 */
export async function projectEnvironment(project: string, env: Environment): Promise<Environment> {
  const path = join(project, '.env');
  const text = await readFile(path, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT') return '';
    throw cannotRead(path, cause);
  });
  const given = Object.entries(env).filter(([, value]) => value !== undefined && value !== '');
  return { ...parseEnv(text), ...Object.fromEntries(given) };
}
