import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import { cannotRead } from '../files.js';

export type Variables = Readonly<Record<string, string | undefined>>;

/** The variables of a project's `.env`; none where there is no such file. @throws T2IError IO_FAILED */
export async function readEnvFile(project: string): Promise<Variables> {
  const path = join(project, '.env');
  const text = await readFile(path, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT') return '';
    throw cannotRead(path, cause);
  });
  return parseEnv(text) as Variables;
}
