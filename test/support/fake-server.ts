import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A request as it came, whole. */
export interface Received {
  readonly method: string;
  /** Without the query, decoded. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}

export type Handler = (request: Received, response: ServerResponse) => void | Promise<void>;

/** What a server does wrong in the place of its handler; it may let that answer through `normal`. */
export type Fault = (
  response: ServerResponse,
  request: Received,
  normal: () => void | Promise<void>,
) => void | Promise<void>;

/** An HTTP server on loopback that keeps what it was asked, and fails on demand. */
export class FakeServer {
  readonly requests: Received[] = [];
  url = '';
  readonly #faults: { where: (request: Received) => boolean; fault: Fault; times: number }[] = [];
  readonly #server: Server;

  private constructor(handler: Handler) {
    this.#server = createServer(async (message, response) => {
      const request = await receive(message);
      this.requests.push(request);
      const fault = this.#takeFault(request);
      try {
        if (fault) await fault(response, request, () => handler(request, response));
        else await handler(request, response);
      } catch (error) {
        if (!response.headersSent)
          answer(response, 500, { error: `the fake failed: ${error}` }, { 'retry-after': '0' });
        else response.destroy();
      }
    });
  }

  static async start(handler: Handler): Promise<FakeServer> {
    const fake = new FakeServer(handler);
    await new Promise<void>((resolve) => fake.#server.listen(0, '127.0.0.1', resolve));
    fake.url = `http://127.0.0.1:${(fake.#server.address() as AddressInfo).port}`;
    return fake;
  }

  /** Lets requests fail: those whose `METHOD path` matches, the next one alone unless more are meant. */
  fail(where: RegExp, fault: Fault, times = 1): void {
    this.#faults.push({ where: ({ method, path }) => where.test(`${method} ${path}`), fault, times });
  }

  stopFailing(): void {
    this.#faults.length = 0;
  }

  /** Requests whose `METHOD path` matches, so far. */
  asked(where: RegExp): Received[] {
    return this.requests.filter(({ method, path }) => where.test(`${method} ${path}`));
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #takeFault(request: Received): Fault | undefined {
    const found = this.#faults.find(({ where, times }) => times > 0 && where(request));
    if (found) found.times--;
    return found?.fault;
  }
}

async function receive(message: IncomingMessage): Promise<Received> {
  const chunks: Buffer[] = [];
  for await (const chunk of message) chunks.push(chunk);
  const url = new URL(message.url ?? '/', 'http://fake');
  const { method = 'GET', headers } = message;
  return {
    method,
    path: decodeURIComponent(url.pathname),
    query: url.searchParams,
    headers,
    body: Buffer.concat(chunks),
  };
}

/** Answers with JSON, or with bytes or a text as they are. */
export function answer(
  response: ServerResponse,
  status: number,
  body: unknown = {},
  headers: Readonly<Record<string, string>> = {},
): void {
  const plain = typeof body === 'string' || body instanceof Uint8Array;
  const bytes = plain ? Buffer.from(body as string) : Buffer.from(JSON.stringify(body));
  const type = plain ? 'application/octet-stream' : 'application/json';
  response.writeHead(status, { 'content-type': type, 'content-length': bytes.length, ...headers }).end(bytes);
}

/** What servers do wrong. Those that may be retried ask to be at once. */
export const FAULTS = {
  status: (status: number, headers: Readonly<Record<string, string>> = { 'retry-after': '0' }): Fault => {
    return (response) => answer(response, status, { error: `fault ${status}` }, headers);
  },
  /** Sends so many bytes of a longer body, then cuts the connection. */
  cut: (bytes: number, length = bytes + 1000): Fault => {
    return (response) => {
      response.writeHead(200, { 'content-length': length });
      response.write(Buffer.alloc(bytes, 'x'), () => response.destroy());
    };
  },
  /** Closes the connection without an answer. */
  hangUp: ((response) => {
    response.destroy();
  }) as Fault,
  html: ((response) =>
    answer(response, 200, '<!doctype html><title>Please log in</title>', { 'content-type': 'text/html' })) as Fault,
  redirect: (location: string): Fault => {
    return (response) => answer(response, 302, '', { location });
  },
  /** A body that never ends. */
  endless: ((response) => {
    response.writeHead(200);
    const chunk = Buffer.alloc(64 * 1024, 'x');
    const more = () => {
      while (!response.destroyed && response.write(chunk));
    };
    response.on('drain', more);
    more();
  }) as Fault,
  bytes: (body: string | Uint8Array, headers: Readonly<Record<string, string>> = {}): Fault => {
    return (response) => answer(response, 200, body, headers);
  },
} as const;
