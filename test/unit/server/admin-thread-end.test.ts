import { afterEach, expect, it, vi } from 'vitest';
import { AdminThread } from '../../../src/server/admin/admin-thread.js';

const { started, FakeWorker } = await vi.hoisted(async () => {
  const { EventEmitter } = await import('node:events');
  const started: { readonly execArgv?: readonly string[] }[] = [];
  /** A thread that ends before it says anything. */
  class FakeWorker extends EventEmitter {
    constructor(_: string, options: { readonly execArgv?: readonly string[] }) {
      super();
      started.push(options);
      queueMicrotask(() => this.emit('exit', 1));
    }
  }
  return { started, FakeWorker };
});
vi.mock('node:worker_threads', async (original) => ({ ...(await original<object>()), Worker: FakeWorker }));

afterEach(() => vi.restoreAllMocks());

it('the admin port is none where its thread ends before it listens, and nothing goes on', async () => {
  const [pulse, stopped] = [vi.spyOn(globalThis, 'setInterval'), vi.spyOn(globalThis, 'clearInterval')];
  const where = { host: '127.0.0.1', port: 0, slowest: 30_000, broken: new Promise<never>(() => {}) };
  await expect(AdminThread.open({ ...where, admin: { fetch: vi.fn() } })).rejects.toThrow('ended');
  expect(stopped).toHaveBeenCalledWith(pulse.mock.results[0]?.value);
  // Flags of the process are not for its threads.
  expect(started).toMatchObject([{ execArgv: [] }]);
});
