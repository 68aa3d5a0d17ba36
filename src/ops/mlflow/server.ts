import { z } from 'zod';
import { T2IError } from '../../errors.js';
import { type HttpRequest, request, requestJson } from '../../http/request.js';
import { ADDRESS, isAddress } from './address.js';

export interface MlflowOptions {
  /** Address of the server, as `mlflow.server_uri` has it; DagsHub's is https://dagshub.com/USER/REPOSITORY.mlflow. */
  readonly address: string;
  /** Where MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, are found. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly signal?: AbortSignal | undefined;
  readonly wait?: HttpRequest['wait'];
}

/** What is sent with a call: in the query of a GET, as JSON otherwise. */
export type Fields = Readonly<Record<string, string | number | readonly string[] | undefined>>;

/** An MLflow tracking server as its REST API 2.0 shows it. */
export class MlflowServer {
  readonly address: string;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #signal: AbortSignal | undefined;
  readonly #wait: HttpRequest['wait'];

  /** @throws T2IError OPTION_INVALID for an address that is none, or holds a password */
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
   * @throws T2IError ACCESS_DENIED, REMOTE_NOT_FOUND, REMOTE_CONFLICT, REMOTE_REFUSED (an answer of another form among them),
   *   NETWORK_FAILED; the signal's reason when aborted
   */
  async get<T>(path: string, fields: Fields, schema: z.ZodType<T>): Promise<T> {
    const url = `${this.#url(path)}?${query(fields)}`;
    return this.#read(path, await requestJson(url, this.#options({})), schema);
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
    const options = { method, body: JSON.stringify(fields), idempotent };
    return this.#read(path, await requestJson(this.#url(path), this.#options(options)), schema);
  }

  /** The bytes of a file that the server keeps, from the byte `start` on where it can. @throws T2IError as {@link get} */
  download(path: string, start: number, signal: AbortSignal): Promise<Response> {
    const range = start > 0 ? { range: `bytes=${start}-` } : {};
    return request(this.#url(path), { ...this.#options({}), headers: { ...this.#headers, ...range }, signal });
  }

  #url(path: string): string {
    return `${this.address}/api/2.0/${path}`;
  }

  #options(options: HttpRequest): HttpRequest {
    const headers =
      options.body === undefined ? this.#headers : { ...this.#headers, 'content-type': 'application/json' };
    return { ...options, headers, signal: this.#signal, wait: this.#wait, hint };
  }

  #read<T>(path: string, value: unknown, schema: z.ZodType<T>): T {
    const parsed = schema.safeParse(value);
    if (parsed.success) return parsed.data;
    const [issue] = parsed.error.issues;
    const where = issue?.path.join('.') || 'the answer';
    throw new T2IError(
      'REMOTE_REFUSED',
      `${this.address}: ${path} was answered with something else: ${where}: ${issue?.message}`,
      {
        hint: 'Check mlflow.server_uri: the address of an MLflow server, 2 or newer.',
      },
    );
  }
}

/** An answer that is a JSON object of whatever content. */
export const anything = z.looseObject({});

function query(fields: Fields): URLSearchParams {
  const found = new URLSearchParams();
  for (const [name, value] of Object.entries(fields)) {
    for (const one of value === undefined ? [] : [value].flat()) found.append(name, String(one));
  }
  return found;
}

function hint(status: number): string | undefined {
  if (status !== 401 && status !== 403) return undefined;
  return 'Set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN, in the environment or .env, of a user who may do this.';
}

function checkedAddress(address: string): string {
  if (isAddress(address)) return address.replace(/\/+$/, '');
  // Not repeated where it may hold a password.
  const received = address.includes('@') ? 'an address with @' : JSON.stringify(address);
  const issue = { option: 'mlflow.server_uri', expected: ADDRESS, received };
  throw new T2IError('OPTION_INVALID', `mlflow.server_uri: expected ${ADDRESS}, received ${received}`, {
    issues: [issue],
  });
}

/** As MLflow's own client: user and password go before a token. */
function credentials(env: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const { MLFLOW_TRACKING_USERNAME: user, MLFLOW_TRACKING_PASSWORD: password, MLFLOW_TRACKING_TOKEN: token } = env;
  if (user && password) return { authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}` };
  return token ? { authorization: `Bearer ${token}` } : {};
}
