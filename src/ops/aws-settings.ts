import { type AwsSettings, readAwsSettings } from '../aws/settings.js';
import { readEnvFile, type Variables } from './env-file.js';

/**
 * How AWS is reached: what the environment or a project's `.env` says.
 *
 * @param project folder that may hold a `.env`
 * @throws T2IError OPTION_INVALID for a region or an endpoint that cannot be one
 */
export async function awsSettings(project: string, env: Variables): Promise<AwsSettings> {
  return readAwsSettings(env, await readEnvFile(project));
}
