/** What the server says went wrong, or that it cannot be reached. */
export class ApiError extends Error {
  override readonly name = 'ApiError';

  /** @param status of HTTP; 0 where no answer came */
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

/** Where the key of a server comes from. */
export interface KeySource {
  readonly key: string | null;
  /** Lets the user type one. */
  ask(wasWrong: boolean): Promise<void>;
}

interface CallOptions {
  readonly body?: unknown;
  readonly signal?: AbortSignal;
}

/** The server that this page came from. */
export class Api {
  constructor(private readonly keys: KeySource) {}

  /**
   * Asks the server; where it wants a key, the user is asked for one until it fits.
   *
   * @param path below the folder of the page, for example `v1/models`
   * @param body sent as JSON by POST; without one the request is a GET
   * @throws ApiError for every answer that is no success; the signal's reason when aborted
   */
  async call(path: string, options: CallOptions = {}): Promise<Response> {
    for (;;) {
      const { key } = this.keys;
      const response = await this.#send(path, key, options);
      if (response.ok) return response;
      if (response.status !== 401) throw await errorOf(response);
      // Another request may have asked for the key meanwhile.
      if (this.keys.key === key) await this.keys.ask(key !== null);
    }
  }

  async #send(path: string, key: string | null, { body, signal }: CallOptions): Promise<Response> {
    const headers = {
      ...(key !== null && { authorization: `Bearer ${key}` }),
      ...(body !== undefined && { 'content-type': 'application/json' }),
    };
    const content = body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) };
    try {
      return await fetch(new URL(path, document.baseURI), {
        ...content,
        headers,
        credentials: 'omit',
        signal: signal ?? null,
      });
    } catch (error) {
      signal?.throwIfAborted();
      throw new ApiError(0, `The server does not answer (${error instanceof Error ? error.message : error})`);
    }
  }
}

async function errorOf(response: Response): Promise<ApiError> {
  const body = await response.json().catch(() => null);
  const message = body?.error?.message ?? `The server answered ${response.status} ${response.statusText}`;
  return new ApiError(response.status, String(message));
}
