import { once } from 'node:events';
import type { Server as HttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createAdaptorServer } from '@hono/node-server';
import { T2IError } from '../errors.js';
import type { Server } from './create-server.js';

export interface ListenOptions {
  /** Default: 127.0.0.1. */
  readonly host?: string | undefined;
  /** 0 takes one that is free. Default: 8080. */
  readonly port?: number | undefined;
  /** Of the listener for health and metrics; 0 takes one that is free. Default: 8081. */
  readonly adminPort?: number | undefined;
  /** Milliseconds that a client may take to send a whole request; its headers a third of it. Default: 30,000. */
  readonly slowestRequest?: number | undefined;
}

export interface Listening {
  /** For example `http://127.0.0.1:8080`. */
  readonly url: string;
  readonly adminUrl: string;
  /** Takes no new connections, and ends those that are idle; the others after their answer. */
  close(): Promise<void>;
}

/** A client that does not finish its request holds a connection no longer, in milliseconds. */
const SLOWEST_REQUEST = 30_000;
/** Milliseconds for answers to reach their clients after the last is written. */
const LAST_ANSWERS = 2_000;
const MAX_CONNECTIONS = 2_000;

/**
 * Opens the sockets of a server.
 *
 * @throws T2IError IO_FAILED where a port is taken or the address is not this machine's
 */
export async function listen(server: Server, options: ListenOptions = {}): Promise<Listening> {
  const { host = '127.0.0.1', port = 8080, adminPort = 8081, slowestRequest = SLOWEST_REQUEST } = options;
  const open = (fetch: Server['fetch'], at: number) => openSocket(fetch, host, at, slowestRequest);
  const main = await open(server.fetch, port);
  try {
    const admin = await open(server.admin.fetch, adminPort);
    return {
      url: urlOf(main),
      adminUrl: urlOf(admin),
      close: async () => void (await Promise.all([shut(main), shut(admin)])),
    };
  } catch (error) {
    await shut(main);
    throw error;
  }
}

async function openSocket(
  fetch: Server['fetch'],
  hostname: string,
  port: number,
  slowest: number,
): Promise<HttpServer> {
  const serverOptions = {
    requestTimeout: slowest,
    headersTimeout: slowest / 3,
    // How often slow connections are looked for.
    connectionsCheckingInterval: slowest / 6,
    maxHeaderSize: 16 << 10,
  };
  const http = createAdaptorServer({ fetch, serverOptions }) as HttpServer;
  http.maxConnections = MAX_CONNECTIONS;
  http.maxHeadersCount = 100;
  http.listen(port, hostname);
  try {
    await once(http, 'listening');
  } catch (cause) {
    throw new T2IError('IO_FAILED', `Cannot listen on ${hostname}:${port}: ${(cause as Error).message}`, {
      hint: 'Choose another --port, or --host.',
      cause,
    });
  }
  return http;
}

function urlOf(http: HttpServer): string {
  const { address, family, port } = http.address() as AddressInfo;
  return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
}

async function shut(http: HttpServer): Promise<void> {
  const closed = once(http, 'close');
  http.close();
  http.closeIdleConnections();
  const end = setTimeout(() => http.closeAllConnections(), LAST_ANSWERS);
  await closed;
  clearTimeout(end);
}
