import { describe, expect, it, vi } from 'vitest';
import { T2IError } from '../../../src/errors.js';
import { refusal } from '../../../src/server/http/refusal.js';
import type { ServerOptions } from '../../../src/server/options.js';
import { QueuedRequest } from '../../../src/server/queue/queued-request.js';
import { FakeClock, settled } from '../../support/fake-clock.js';
import { memoryModel, memoryServer } from '../../support/memory-server.js';

const PATH = '/v1/images/generations';
const request = { prompt: 'a secret wish', negative_prompt: 'a secret fear', steps: 3, seed: 7, n: 2, size: '16x24' };

/** A server whose log is read. */
async function logging(options: ServerOptions = {}) {
  const model = memoryModel('formula');
  const server = await memoryServer(options, { models: [model] });
  const lines = () =>
    server
      .logged()
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line));
  return { ...server, model, lines, last: () => lines().at(-1) };
}

describe('what is logged of a request', () => {
  it('is who asked for what, and how it ended, without its texts', async () => {
    const { post, last, logged } = await logging();
    await post(PATH, request, { 'x-request-id': 'mine' });
    await settled();
    expect(last()).toEqual({
      ...{ level: 'info', time: expect.stringMatching(/^\d{4}-\d\d-\d\dT/), msg: 'completed', requestId: 'mine' },
      ...{ caller: 'local', api: 'openai', model: 'formula', n: 2, steps: 3, width: 16, height: 24, sampler: 'ddim' },
      seeds: [7, 8],
    });
    expect(logged()).not.toContain('secret');
  });

  it('is its texts, too, where that is wanted', async () => {
    const { post, last } = await logging({ logPrompts: true });
    await post(PATH, request);
    await settled();
    expect(last()).toMatchObject({ prompt: 'a secret wish', negativePrompt: 'a secret fear', msg: 'completed' });
  });

  it.each([
    ['BACKEND_FAILED', 'error'],
    ['BACKEND_CRASHED', 'info'],
  ] as const)('is what it failed with: %s', async (code, level) => {
    const { model, post, lines } = await logging({ logPrompts: true });
    model.onStep = () => {
      throw new T2IError(code, 'at /srv');
    };
    await post(PATH, request);
    await settled();
    const failed = lines().filter(({ n }) => n === 2);
    expect(failed).toMatchObject([
      { level, code: code.toLowerCase(), msg: 'failed', n: 2, caller: 'local', prompt: 'a secret wish' },
    ]);
    // A process that crashed is no mistake of this program.
    expect(Object.hasOwn(failed[0], 'err')).toBe(level === 'error');
  });

  it('is that its client left', async () => {
    const { model, app, queue, lines } = await logging();
    const leave = new AbortController();
    model.onStep = () => leave.abort();
    const headers = { 'content-type': 'application/json' };
    const init = { method: 'POST', headers, signal: leave.signal, body: JSON.stringify(request) };
    await (await app.request(PATH, init)).text();
    await queue.drain();
    await settled();
    expect(lines().filter(({ n }) => n === 2)).toMatchObject([{ level: 'info', code: 'cancelled', msg: 'cancelled' }]);
  });
});

describe('a request', () => {
  it('is checked whole before anything waits for it', async () => {
    const { service } = await logging({ limits: { images: 2, steps: 50, side: 64 } });
    const found = [{ option: 'mine', expected: 'a', received: 'b' }];
    const issuesOf = (options: object, more: typeof found = [], nameOf?: (option: string) => string) => {
      try {
        service.check(undefined, { prompt: 'x', ...options } as never, more, nameOf);
        return [];
      } catch (error) {
        expect(error).toMatchObject({ status: 400, code: 'option_invalid' });
        return (error as T2IError).issues.map(({ option, expected }) => `${option}: ${expected.split(' ')[0]}`);
      }
    };
    expect(issuesOf({})).toEqual([]);
    expect(issuesOf({ n: 2, steps: 50, width: 64, height: 64 })).toEqual([]);
    expect(issuesOf({ n: 3, steps: 51, width: 72, height: 72 })).toEqual([
      ...['n: at', 'width: at', 'height: at', 'steps: at'],
    ]);
    // What is too much for the server is told once, with what the model does not take.
    expect(issuesOf({ steps: 5000, sampler: 'none' }, found, (option) => option.toUpperCase())).toEqual([
      ...['mine: a', 'STEPS: at', 'SAMPLER: one'],
    ]);
    expect(issuesOf({}, found)).toEqual(['mine: a']);
    expect(() => service.check('none', { prompt: 'x' })).toThrow(expect.objectContaining({ status: 404 }));
  });

  it.each([
    ['of the model', new T2IError('MODEL_INVALID', 'at /srv')],
    ['of this program', new TypeError('at /srv')],
  ])('is not blamed for a mistake %s', async (_, error) => {
    const encode = () => {
      throw error;
    };
    const models = [memoryModel('formula', { tokenizer: { encode } as never })];
    const { service } = await memoryServer({}, { models });
    expect(() => service.check(undefined, { prompt: 'x' })).toThrow(error);
  });

  it('is told with the tokens that the model reads, and what there is to know', async () => {
    const { service } = await logging();
    const checked = service.check('formula', { prompt: 'a red apple', steps: 3, seed: 7 });
    expect(checked).toMatchObject({ request: { steps: 3, seeds: [7] }, warnings: [] });
    expect(checked.served.id).toBe('formula');
    expect(checked.promptTokens).toBeGreaterThan(2);
    expect(service.check(undefined, { prompt: '' }).warnings).toMatchObject([{ code: 'PROMPT_EMPTY' }]);
  });

  it.each([
    ['the server wants', undefined, 2000],
    ['the server wants, whatever the client', 60_000, 2000],
    ['the client wants', 500, 500],
  ])('waits no longer than %s', async (_, timeout, most) => {
    const clock = new FakeClock();
    const models = [memoryModel('formula', { open: () => new Promise(() => {}) })];
    const { service, logged } = await memoryServer({ limits: { timeout: 2000 } }, { models, clock });
    const checked = service.check(undefined, { prompt: 'x', steps: 3 });
    const { queued, result } = service.submit(checked, { api: 'test', caller: 'a', requestId: 'id', timeout });
    await settled();
    await clock.turn(most - 1);
    expect(queued.settled).toBe(false);
    await clock.turn(1);
    await expect(result).rejects.toMatchObject({ status: 504 });
    expect(JSON.parse(logged())).toMatchObject({ level: 'info', msg: 'failed', code: 'deadline_exceeded' });
  });

  it('is refused by the queue, and counted', async () => {
    const { service, server, metrics } = await logging();
    const checked = service.check(undefined, { prompt: 'x', steps: 3 });
    await server.close();
    const asker = { api: 'test', caller: 'a', requestId: 'id' };
    expect(() => service.submit(checked, asker)).toThrow(expect.objectContaining({ status: 503 }));
    expect(() => service.admit('other', 'a')).toThrow(expect.objectContaining({ status: 503 }));
    const text = await metrics.registry.metrics();
    for (const api of ['test', 'other']) expect(text).toContain(`{api="${api}",outcome="refused"} 1`);
  });

  it('counts as refused where a queue that is shared does so later', async () => {
    const { service, queue, metrics } = await logging();
    let queued: QueuedRequest | undefined;
    vi.spyOn(queue, 'add').mockImplementation((order) => {
      queued = new QueuedRequest(order, new FakeClock());
      return queued;
    });
    const checked = service.check(undefined, { prompt: 'x', steps: 3 });
    const { result } = service.submit(checked, { api: 'test', caller: 'a', requestId: 'id' });
    queued?.refuse(refusal('queue_full', 'full'));
    await expect(result).rejects.toMatchObject({ status: 429 });
    expect(await metrics.registry.metrics()).toContain('{api="test",outcome="refused"} 1');
  });
});
