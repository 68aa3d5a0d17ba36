import { once } from 'node:events';
import type { Server as HttpServer, ServerOptions } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Milliseconds for answers to reach their clients after the last is written. */
const LAST_ANSWERS = 2_000;
const MAX_CONNECTIONS = 2_000;

/**
 * What clients may do to a socket.
 *
 * @param slowest milliseconds that one may take to send a whole request; its headers a third of it
 */
export function socketOptions(slowest: number): ServerOptions {
  return {
    requestTimeout: slowest,
    headersTimeout: slowest / 3,
    // How often slow connections are looked for.
    connectionsCheckingInterval: slowest / 6,
    maxHeaderSize: 16 << 10,
  };
}

/** @returns the address, such as `http://127.0.0.1:8080` @throws the system's error where the port is taken, for example */
export async function openSocket(http: HttpServer, host: string, port: number): Promise<string> {
  http.maxConnections = MAX_CONNECTIONS;
  http.maxHeadersCount = 100;
  http.listen(port, host);
  await once(http, 'listening');
  const { address, family, port: taken } = http.address() as AddressInfo;
  return `http://${family === 'IPv6' ? `[${address}]` : address}:${taken}`;
}

/** Takes no new connections, and ends those that are idle; the others after their answer. */
export async function shutSocket(http: HttpServer): Promise<void> {
  const closed = once(http, 'close');
  http.close();
  http.closeIdleConnections();
  const end = setTimeout(() => http.closeAllConnections(), LAST_ANSWERS);
  await closed;
  clearTimeout(end);
}
