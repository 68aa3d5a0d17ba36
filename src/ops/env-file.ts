import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseEnv } from 'node:util';

export type Variables = Readonly<Record<string, string | undefined>>;

/** The variables of a project's `.env`; none where there is no such file. */
export async function readEnvFile(project: string): Promise<Variables> {
  const text = await readFile(join(project, '.env'), 'utf8').catch(() => '');
  return parseEnv(text) as Variables;
}
