import { readEnvFile, type Variables } from '../env-file.js';

/**
 * The environment of a project's commands: that of the process, then what `.env` in the project's folder says. An empty value is none.
 *
 * @throws T2IError IO_FAILED
 */
export async function projectEnvironment(project: string, env: Variables): Promise<Variables> {
  return withFile(env, await readEnvFile(project));
}

/** The environment of a process, then what a `.env` says. An empty value is none. */
export function withFile(env: Variables, file: Variables): Variables {
  const given = Object.entries(env).filter(([, value]) => value !== undefined && value !== '');
  return { ...file, ...Object.fromEntries(given) };
}
