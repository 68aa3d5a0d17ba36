import { z } from 'zod';
import { T2IError } from '../../errors.js';
import { refuse } from '../../fields.js';
import { type HttpRequest, request, requestJson } from '../../http/request.js';
import { isServerAddress } from '../../http/server-address.js';
import { readToken } from '../../http/token.js';
import { ADDRESS } from './address.js';

export interface MlflowOptions {
  /** Address of the server, as `mlflow.server_uri` has it; DagsHub's is https://dagshub.com/USER/REPOSITORY.mlflow. */
  readonly address: string;
  /** Where MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, are found. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly signal?: AbortSignal | undefined;
  readonly wait?: HttpRequest['wait'];
}

/** What is asked for, in the query of a GET. */
type Query = Readonly<Record<string, string | number | undefined>>;

/** What is sent as JSON. */
type Fields = Readonly<Record<string, string | number | readonly string[] | undefined>>;

/** An MLflow tracking server as its REST API 2.0 shows it. */
export class MlflowServer {
  readonly address: string;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #signal: AbortSignal | undefined;
  readonly #wait: HttpRequest['wait'];

  /** @throws T2IError OPTION_INVALID for an address that is none, or holds a password; for a token that cannot be sent */
  constructor({ address, env, signal, wait }: MlflowOptions) {
    this.address = checkedAddress(address);
    this.#headers = credentials(env);
    this.#signal = signal;
    this.#wait = wait;
  }

  /**
   * Asks for something. Sent again where that may help: asking changes nothing.
   *
   * @param path below `/api/2.0/`, such as `mlflow/runs/get`
   * @param signal in the place of the server's own
   * @throws T2IError ACCESS_DENIED, REMOTE_NOT_FOUND, REMOTE_CONFLICT, REMOTE_REFUSED (an answer of another form among them),
   *   NETWORK_FAILED; the signal's reason when aborted
   */
  async get<T>(path: string, query: Query, schema: z.ZodType<T>, signal?: AbortSignal): Promise<T> {
    const url = `${this.#url(path)}?${encoded(query)}`;
    return this.#read(path, await requestJson(url, this.#options({ signal })), schema);
  }

  /**
   * Searches or changes something.
   *
   * @param idempotent whether doing it twice does no harm
   * @throws T2IError as {@link get}
   */
  async send<T>(
    method: 'POST' | 'PATCH' | 'DELETE',
    path: string,
    fields: Fields,
    schema: z.ZodType<T>,
    idempotent: boolean,
  ): Promise<T> {
    const headers = { 'content-type': 'application/json' };
    const options = { method, headers, body: JSON.stringify(fields), idempotent };
    return this.#read(path, await requestJson(this.#url(path), this.#options(options)), schema);
  }

  /** The bytes of a file that the server keeps, from the byte `start` on where it can. @throws T2IError as {@link get} */
  download(path: string, start: number, signal: AbortSignal): Promise<Response> {
    const headers = start > 0 ? { range: `bytes=${start}-` } : {};
    return request(this.#url(path), this.#options({ headers, signal }));
  }

  #url(path: string): string {
    return `${this.address}/api/2.0/${path}`;
  }

  #options({ headers, signal = this.#signal, ...options }: HttpRequest): HttpRequest {
    return { ...options, headers: { ...this.#headers, ...headers }, signal, wait: this.#wait, hint };
  }

  #read<T>(path: string, value: unknown, schema: z.ZodType<T>): T {
    const parsed = schema.safeParse(value);
    if (parsed.success) return parsed.data;
    const [wrong] = parsed.error.issues.map(({ path, message }) => `${path.join('.') || 'the answer'}: ${message}`);
    throw new T2IError('REMOTE_REFUSED', `${this.address}: ${path} was answered with something else: ${wrong}`, {
      hint: 'Check mlflow.server_uri: the address of an MLflow server, 2 or newer.',
    });
  }
}

/** An answer that is a JSON object of whatever content. */
export const anything = z.looseObject({});

function encoded(query: Query): URLSearchParams {
  const found = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value !== undefined) found.append(name, String(value));
  return found;
}

function hint(status: number): string | undefined {
  if (status !== 401 && status !== 403) return undefined;
  return 'Set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN, in the environment or .env, of a user who may do this.';
}

function checkedAddress(address: string): string {
  // Not repeated where it may hold a password or a token.
  const received = /[@?#]/.test(address) ? 'another text' : JSON.stringify(address);
  if (!isServerAddress(address)) refuse([{ option: 'mlflow.server_uri', expected: ADDRESS, received }]);
  return address.replace(/\/+$/, '');
}

/** As MLflow's own client: user and password go before a token. */
function credentials(env: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const { MLFLOW_TRACKING_USERNAME: user, MLFLOW_TRACKING_PASSWORD: password } = env;
  if (user && password) return { authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}` };
  const token = readToken('MLFLOW_TRACKING_TOKEN', env.MLFLOW_TRACKING_TOKEN);
  return token === null ? {} : { authorization: `Bearer ${token}` };
}
