/** Entry of the thread that a server's admin port is on: see admin-thread.ts. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { isIP } from 'node:net';
import { parentPort, workerData } from 'node:worker_threads';
import { ANSWER_HEADERS, hostnameOf, requestIdOf } from '../http/headers.js';
import { openSocket, shutSocket, socketOptions } from '../sockets.js';
import type { AdminThreadData, Answer, FromThread, ToThread } from './messages.js';
import { Pulse, statusOf } from './pulse.js';

const { host, port, slowest, pulse: memory } = workerData as AdminThreadData;
const pulse = new Pulse(memory);
const waiting = new Map<number, ServerResponse>();
let asked = 0;

const send = (message: FromThread) => parentPort?.postMessage(message);

const http = createServer(socketOptions(slowest), (request, response) => {
  if (isProbe(request)) tellLife(request, response);
  else ask(request, response);
});

parentPort?.on('message', async (message: ToThread) => {
  if ('answer' in message) return pass(message.answer);
  await shutSocket(http);
  parentPort?.close();
});

try {
  send({ listening: await openSocket(http, host, port) });
} catch (cause) {
  send({ failed: (cause as Error).message });
  parentPort?.close();
}

/** What a supervisor asks. Pages, and names that anybody may point here, are for the guards of the main thread. */
function isProbe({ method, url, headers }: IncomingMessage): boolean {
  const name = hostnameOf(headers.host)?.replace(/^\[|\]$/g, '') ?? '';
  return (
    (method === 'GET' || method === 'HEAD') &&
    url === '/healthz' &&
    headers.origin === undefined &&
    (isIP(name) !== 0 || name === 'localhost')
  );
}

function tellLife({ method, headers }: IncomingMessage, response: ServerResponse): void {
  const life = pulse.life();
  const body = JSON.stringify({ status: life });
  response.writeHead(statusOf(life), {
    ...ANSWER_HEADERS,
    'content-type': 'application/json',
    'content-length': body.length,
    'x-request-id': requestIdOf(headers['x-request-id']?.toString()),
  });
  response.end(method === 'HEAD' ? undefined : body);
}

function ask(request: IncomingMessage, response: ServerResponse): void {
  const id = asked++;
  waiting.set(id, response);
  response.on('close', () => waiting.delete(id));
  const { method = 'GET', url = '/', rawHeaders } = request;
  const headers = rawHeaders.flatMap((name, at) =>
    at % 2 === 0 ? [[name, rawHeaders[at + 1] as string] as const] : [],
  );
  send({ question: { id, method, url, headers, remoteAddress: request.socket.remoteAddress } });
}

function pass({ id, status, headers, body }: Answer): void {
  waiting.get(id)?.writeHead(status, headers.flat()).end(body);
}
