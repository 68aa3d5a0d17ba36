import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { homeFolder } from '../cache-folder.js';
import { T2IError } from '../errors.js';
import { refuse } from '../fields.js';
import { absolutePath, cannotRead } from '../files.js';
import { isServerAddress } from '../http/server-address.js';
import { readToken } from '../http/token.js';

export type Environment = Readonly<Record<string, string | undefined>>;

/** Where the Hub is, who asks, and where its files are kept: what every tool of Hugging Face reads from the same variables. */
export interface HubSettings {
  /** Without a slash at its end. */
  readonly endpoint: string;
  /** Absolute. */
  readonly cache: string;
  /** Nothing is asked of the network. */
  readonly offline: boolean;
  /** Reads HF_TOKEN, or the file that `hf auth login` writes; null where there is none. */
  token(): Promise<string | null>;
}

const ENDPOINT = 'https://huggingface.co';

/**
 * Reads HF_ENDPOINT, HF_HOME, HF_HUB_CACHE, HF_HUB_OFFLINE, HF_TOKEN and HF_TOKEN_PATH; an empty one counts as left out.
 *
 * @throws T2IError OPTION_INVALID, IO_FAILED where the user has no home folder
 */
export function hubSettings(env: Environment): HubSettings {
  const home = () =>
    absolutePath(env.HF_HOME || join(env.XDG_CACHE_HOME || join(homeFolder('HF_HOME'), '.cache'), 'huggingface'));
  return {
    endpoint: readEndpoint(env.HF_ENDPOINT || ENDPOINT),
    cache: absolutePath(env.HF_HUB_CACHE || env.HUGGINGFACE_HUB_CACHE || join(home(), 'hub')),
    offline: /^(1|on|yes|true)$/i.test(env.HF_HUB_OFFLINE || env.TRANSFORMERS_OFFLINE || ''),
    token: async () =>
      readToken('HF_TOKEN', env.HF_TOKEN || (await readTokenFile(env.HF_TOKEN_PATH || join(home(), 'token')))),
  };
}

/** The same with another token, or none. */
export function withToken(hub: HubSettings, token: string | undefined): HubSettings {
  return { ...hub, token: async () => readToken('HF_TOKEN', token) };
}

/** Headers of a request to the Hub. */
export async function hubHeaders(hub: HubSettings): Promise<Record<string, string>> {
  const token = await hub.token();
  return { 'user-agent': '@t2i/sdk', ...(token !== null && { authorization: `Bearer ${token}` }) };
}

/** The token that publishes. @throws T2IError ACCESS_DENIED where there is none, OPTION_INVALID where it is no token of the Hub */
export async function requireToken(hub: HubSettings): Promise<string> {
  const token = await hub.token();
  if (token?.startsWith('hf_')) return token;
  if (token !== null)
    refuse([{ option: 'HF_TOKEN', expected: 'a token that starts with hf_', received: 'another text' }]);
  throw new T2IError('ACCESS_DENIED', 'Publishing needs a token of the Hub, and there is none', {
    hint: `Make one that may write at ${hub.endpoint}/settings/tokens and set HF_TOKEN, or run: hf auth login`,
  });
}

function readEndpoint(text: string): string {
  // What is wrong may be that a password is in it.
  if (!isServerAddress(text))
    refuse([{ option: 'HF_ENDPOINT', expected: 'an address like https://huggingface.co', received: 'another text' }]);
  return text.replace(/\/+$/, '');
}

async function readTokenFile(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    if (['ENOENT', 'ENOTDIR'].includes((cause as NodeJS.ErrnoException).code ?? '')) return null;
    throw cannotRead(path, cause);
  }
}
