import { type HubSettings, hubSettings, withToken } from '../../hub/settings.js';
import { readEnvFile, type Variables } from '../env-file.js';
import { withFile } from '../project/environment.js';

/**
 * The settings of the Hub for a command that runs in a project: of the environment, then of the project's `.env`. An address that
 * `.env` brings gets no token but the one that it brings, too: whoever works in a folder need not have looked into it.
 *
 * @throws T2IError IO_FAILED where `.env` cannot be read; else as `hubSettings`
 */
export async function projectHub(project: string, env: Variables): Promise<HubSettings> {
  const file = await readEnvFile(project);
  const hub = hubSettings(withFile(env, file));
  return env.HF_ENDPOINT || !file.HF_ENDPOINT ? hub : withToken(hub, file.HF_TOKEN);
}
