import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Interrupted } from '../../../src/cli/io.js';
import { main } from '../../../src/cli/main.js';
import '../../../src/cli/serve/run-serve.js';
import { T2IError } from '../../../src/errors.js';
import * as creation from '../../../src/server/create-server.js';
import * as sockets from '../../../src/server/listen.js';
import { fakeIo } from '../../support/fake-io.js';

const TINY = fileURLToPath(new URL('../../fixtures/tiny', import.meta.url));
const WHERE = { url: 'http://127.0.0.1:7860', adminUrl: 'http://127.0.0.1:9090' };

/** What was done with the server and its sockets, in order. */
let done: string[];
let finishes: boolean;
let broken: Promise<T2IError>;
beforeEach(() => {
  [done, finishes, broken] = [[], true, new Promise(() => {})];
  vi.spyOn(creation, 'createServerWith').mockImplementation(async () => {
    const drain = async (milliseconds: number) => {
      done.push(`drain ${milliseconds}`);
      return finishes;
    };
    const close = async () => void done.push('close');
    return { models: ['tiny'], broken, drain, close, [Symbol.asyncDispose]: async () => {} } as never;
  });
  const close = async () => void done.push('close sockets');
  vi.spyOn(sockets, 'listen').mockImplementation(async () => ({ ...WHERE, close }) as never);
});
afterEach(() => vi.restoreAllMocks());

/** Runs it until it says where it listens, then ends it. */
async function serve(argv: readonly string[] = [], ends = true) {
  const end = new AbortController();
  const onErr = (text: string) => {
    if (!ends || !text.includes('health and metrics')) return;
    setImmediate(() => {
      done.push('signal');
      end.abort(new Interrupted('SIGTERM'));
    });
  };
  const io = fakeIo({ signal: end.signal, onErr });
  return { code: await main(['serve', ...argv], io), out: io.out(), err: io.err() };
}
const asked = () => vi.mocked(creation.createServerWith).mock.lastCall;

describe('t2i serve', () => {
  it('says where it listens, and finishes what it has when it is ended', async () => {
    const { code, out, err } = await serve(['--queue', '3', '--port', '0']);
    expect([code, out, done]).toEqual([0, `${WHERE.url}\n`, ['signal', 'drain 25000', 'close sockets']]);
    expect(err).toMatch(
      /^note: health and metrics are at http:\/\/127\.0\.0\.1:9090; .*\nnote: finishing .* 25 s at most\n$/,
    );
    expect(asked()?.[1]).toMatchObject({ queue: 3 });
    expect(vi.mocked(sockets.listen).mock.lastCall?.[1]).toMatchObject({ host: '127.0.0.1', port: 0 });
  });

  it('tells programs where it listens and what it serves', async () => {
    const { out } = await serve(['--json']);
    expect(JSON.parse(out)).toEqual({ ...WHERE, models: ['tiny'] });
  });

  it('fails where what it had could not be finished', async () => {
    finishes = false;
    expect((await serve()).code).toBe(1);
  });

  it('closes all and says why where it cannot go on', async () => {
    broken = Promise.resolve(new T2IError('DEVICE_LOST', 'the GPU is gone'));
    const { code, err } = await serve([], false);
    expect([code, done]).toEqual([4, ['close', 'close sockets']]);
    expect(err).toContain('error: the GPU is gone');
  });

  it('ends at once where it is ended while its model is opened', async () => {
    vi.mocked(creation.createServerWith).mockImplementation(
      (_, __, signal) =>
        new Promise((_resolve, reject) => void signal?.addEventListener('abort', () => reject(signal.reason))),
    );
    const end = new AbortController();
    const io = fakeIo({ signal: end.signal });
    const code = main(['serve'], io);
    await vi.waitUntil(() => vi.mocked(creation.createServerWith).mock.calls.length > 0);
    end.abort(new Interrupted('SIGINT'));
    expect([await code, io.out(), done]).toEqual([130, '', []]);
    expect(io.err()).toBe('interrupted by SIGINT\n');
  });

  it('warns where everybody is let in', async () => {
    const warning = /^warning: .*everybody is let in$/m;
    expect((await serve(['--insecure', '--host', '0.0.0.0'])).err).toMatch(warning);
    expect((await serve()).err).not.toMatch(warning);
  });

  it('writes its log to standard error, and reads its models from where the command is', async () => {
    vi.mocked(creation.createServerWith).mockImplementation(async (read, options) => {
      const model = await read?.(TINY, 'onnx');
      options.log?.write(`read ${model?.name}\n`);
      throw new T2IError('IO_FAILED', 'enough');
    });
    const { code, err } = await serve();
    expect([code, err]).toEqual([1, expect.stringMatching(/^read tiny\n/)]);
  });
});
