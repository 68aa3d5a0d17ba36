import type { Server as HttpServer } from 'node:http';
import { createAdaptorServer } from '@hono/node-server';
import { type Issue, T2IError } from '../errors.js';
import { checkFields, describeValue, type Field, integer, isRecord, milliseconds, refuse, text } from '../fields.js';
import { AdminThread } from './admin/admin-thread.js';
import type { Server } from './create-server.js';
import { openSocket, shutSocket, socketOptions } from './sockets.js';

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
  /** Takes no new connections, and ends those that are idle; the others after their answer. May be called twice. */
  close(): Promise<void>;
}

/** A client that does not finish its request holds a connection no longer, in milliseconds. */
const SLOWEST_REQUEST = 30_000;

const FIELDS: Record<keyof ListenOptions, Field> = {
  // Node takes no name for every address of the machine.
  host: text('an address to listen on', 1, 255),
  port: integer(0, 65_535),
  adminPort: integer(0, 65_535),
  slowestRequest: milliseconds(1, 3_600_000),
};

function serverIssues(server: Server): Issue[] {
  const isServer =
    isRecord(server) && typeof server.fetch === 'function' && isRecord(server.admin) && 'broken' in server;
  return isServer ? [] : [{ option: 'server', expected: 'what createServer gives', received: describeValue(server) }];
}

/**
 * Opens the sockets of a server: that of its clients, and that for health and metrics, which is on a thread of its own.
 *
 * @throws T2IError OPTION_INVALID with every mistake in `issues`; IO_FAILED where a port is taken or the address is not this machine's
 */
export async function listen(server: Server, options: ListenOptions = {}): Promise<Listening> {
  refuse([...serverIssues(server), ...checkFields(options, FIELDS)]);
  const { host = '127.0.0.1', port = 8080, adminPort = 8081, slowestRequest: slowest = SLOWEST_REQUEST } = options;
  const main = createAdaptorServer({ fetch: server.fetch, serverOptions: socketOptions(slowest) }) as HttpServer;
  const url = await openSocket(main, host, port).catch((cause) => {
    throw cannotListen(host, port, 'port', cause);
  });
  const { admin, broken } = server;
  const thread = await AdminThread.open({ host, port: adminPort, slowest, admin, broken }).catch(async (cause) => {
    await shutSocket(main);
    throw cannotListen(host, adminPort, 'admin-port', cause);
  });
  let closing: Promise<unknown> | undefined;
  return {
    url,
    adminUrl: thread.url,
    async close() {
      closing ??= Promise.all([shutSocket(main), thread.close()]);
      await closing;
    },
  };
}

function cannotListen(host: string, port: number, flag: string, cause: Error): T2IError {
  return new T2IError('IO_FAILED', `Cannot listen on ${host}:${port}: ${cause.message}`, {
    hint: `Choose another --${flag}, or --host.`,
    cause,
  });
}
