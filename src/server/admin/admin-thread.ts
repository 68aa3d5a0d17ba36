import { Worker } from 'node:worker_threads';
import { builtEntry } from '../../built-entry.js';
import type { Server } from '../create-server.js';
import type { AdminThreadData, FromThread, Question, ToThread } from './messages.js';
import { Pulse } from './pulse.js';

export type AdminThreadOptions = Omit<AdminThreadData, 'pulse'> & Pick<Server, 'admin' | 'broken'>;

/**
 * The admin port of a server, on a thread of its own: it answers `/healthz` by itself, however much the main thread has to do, and
 * hands everything else to it.
 */
export class AdminThread {
  private constructor(
    /** For example `http://127.0.0.1:8081`. */
    readonly url: string,
    private readonly worker: Worker,
    private readonly ended: Promise<void>,
  ) {}

  /** @throws Error where the port is taken or the address is not this machine's */
  static async open({ admin, broken, ...where }: AdminThreadOptions): Promise<AdminThread> {
    const pulse = new Pulse();
    const workerData: AdminThreadData = { ...where, pulse: pulse.memory };
    const worker = new Worker(builtEntry(import.meta.url, 'admin-child.js'), { workerData, execArgv: [] });
    const stop = pulse.start();
    const ended = new Promise<void>((resolve) => worker.once('exit', () => resolve()));
    void ended.then(stop);
    void broken.then(() => pulse.break());
    const send = (message: ToThread) => worker.postMessage(message);
    return new Promise((resolve, reject) => {
      worker.on('error', reject);
      void ended.then(() => reject(new Error('its thread ended')));
      worker.on('message', async (message: FromThread) => {
        if ('listening' in message) resolve(new AdminThread(message.listening, worker, ended));
        else if ('failed' in message) reject(new Error(message.failed));
        else send({ answer: await answer(message.question, admin.fetch) });
      });
    });
  }

  /** Takes no new connections, and ends those that are idle; the others after their answer. May be called twice. */
  async close(): Promise<void> {
    this.worker.postMessage({ close: true } satisfies ToThread);
    await this.ended;
  }
}

async function answer({ id, method, url, headers, remoteAddress }: Question, fetch: Server['fetch']) {
  try {
    const request = new Request(`http://admin${url}`, { method, headers: headers.map(([...pair]) => pair) });
    const response = await fetch(request, { incoming: { socket: { remoteAddress } } });
    const body = new Uint8Array(await response.arrayBuffer());
    return { id, status: response.status, headers: [...response.headers], body };
  } catch {
    // No request that the web's own class takes: a method such as TRACE, an address that is none.
    return { id, status: 400, headers: [], body: new Uint8Array() };
  }
}
