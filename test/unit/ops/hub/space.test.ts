import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { hubSettings } from '../../../../src/hub/settings.js';
import { readSpaceLog, SpaceFailed, setSpaceValues, waitForSpace } from '../../../../src/ops/hub/space.js';
import { CANARY_TOKEN, FakeHub } from '../../../support/fake-hub.js';
import { cutText } from '../../../support/fake-io.js';
import { answer, FAULTS } from '../../../support/fake-server.js';

const { signal } = new AbortController();
const reason = new Error('stop');

let hub: FakeHub;
beforeEach(async () => {
  hub = await FakeHub.start();
  hub.add('tester/show', { Dockerfile: 'FROM scratch' }, 'spaces');
});
afterEach(async () => {
  vi.restoreAllMocks();
  await hub.close();
});

const show = () => hub.repositories.get('spaces/tester/show') as NonNullable<ReturnType<typeof hub.repositories.get>>;
const space = (given: AbortSignal = signal) => ({
  hub: hubSettings({ ...hub.env('/nowhere'), HF_TOKEN: CANARY_TOKEN }),
  space: 'tester/show',
  signal: given,
});

describe('the values of a Space', () => {
  it('that nobody sees are not asked for, and set each time', async () => {
    for (let time = 0; time < 2; time++) await setSpaceValues(space(), 'secrets', { KEY: 'x' });
    expect(hub.api.requests.map(({ method, path }) => `${method} ${path}`)).toEqual(
      Array(2).fill('POST /api/spaces/tester/show/secrets'),
    );
    expect(show().secrets.get('KEY')).toBe('x');
  });

  it('are set again where the Hub was in trouble, and where its answer is empty', async () => {
    hub.api.fail(/POST/, FAULTS.status(503));
    hub.api.fail(/POST/, (response) => void response.writeHead(204).end());
    await setSpaceValues(space(), 'variables', { PLACE: 'garden', OTHER: 'park' });
    expect([...show().variables]).toEqual([['OTHER', 'park']]);
    expect(hub.api.asked(/POST/)).toHaveLength(3);
  });

  it('that may not be set are an error that names the page of the Space', async () => {
    hub.api.fail(/POST/, FAULTS.status(403));
    await expect(setSpaceValues(space(), 'secrets', { KEY: 'x' })).rejects.toMatchObject({
      code: 'ACCESS_DENIED',
      hint: expect.stringContaining(`${hub.url}/spaces/tester/show`),
    });
  });
});

describe('the wait for a Space', () => {
  const wait = (commit: string, told: string[] = [], now: () => number = () => 0) =>
    waitForSpace(space(), commit, (stage) => told.push(stage), { wait: async () => {}, now });

  /** A clock that goes on by so much each time it is looked at. */
  const clock = (step: number) => {
    let now = 1_000_000;
    return () => {
      now += step;
      return now;
    };
  };

  it('lasts until it runs', async () => {
    show().stages = ['BUILDING', 'APP_STARTING', 'RUNNING'];
    const told: string[] = [];
    await wait(show().head.id, told);
    expect(told).toEqual(['BUILDING', 'APP_STARTING', 'RUNNING']);
  });

  it('does not take an older commit that runs, or failed, for this one', async () => {
    const old = show().head.id;
    show().stages = ['RUNNING', 'BUILD_ERROR', 'BUILDING', 'RUNNING'];
    show().runs = [old, old];
    const told: string[] = [];
    hub.add('tester/show', { Dockerfile: 'FROM other' }, 'spaces');
    await wait(show().head.id, told);
    expect(told).toHaveLength(4);
  });

  it('of which the Hub does not say what it runs lasts until another stage came, or a minute', async () => {
    const told: string[] = [];
    const runtime = (stage: string) => hub.api.fail(/runtime/, (response) => answer(response, 200, { stage }));
    for (const stage of ['BUILD_ERROR', 'RUNNING', 'BUILDING', 'RUNNING']) runtime(stage);
    await wait(show().head.id, told);
    expect(told).toHaveLength(4);
    for (let poll = 0; poll < 10; poll++) runtime('RUNNING');
    await wait(show().head.id, told, clock(30_000));
    expect(told).toHaveLength(7);
  });

  it.each(['BUILD_ERROR', 'RUNTIME_ERROR', 'CONFIG_ERROR', 'NO_APP_FILE', 'STOPPED', 'PAUSED', 'DELETING'])(
    'ends with %s',
    async (stage) => {
      show().stages = ['BUILDING', stage];
      await expect(wait(show().head.id)).rejects.toMatchObject({
        code: 'DEPLOYMENT_FAILED',
        message: `The Space tester/show does not run: ${stage}`,
        hint: expect.stringContaining(`${hub.url}/spaces/tester/show`),
      });
      expect(hub.api.asked(stage === 'RUNTIME_ERROR' ? /logs\/run/ : /logs\/build/)).toHaveLength(1);
    },
  );

  it('ends after three quarters of an hour', async () => {
    show().stages = ['BUILDING'];
    const told: string[] = [];
    await expect(wait(show().head.id, told, clock(15 * 60_000))).rejects.toMatchObject({
      code: 'DEPLOYMENT_FAILED',
      message: 'The Space tester/show is still BUILDING after 45 minutes',
      hint: expect.stringContaining(`look at ${hub.url}/spaces/tester/show`),
    });
    expect(told).toHaveLength(4);
  });

  it('is one of the time that has passed', async () => {
    show().stages = ['BUILDING'];
    let now = 0;
    vi.spyOn(performance, 'now').mockImplementation(() => {
      now += 46 * 60_000;
      return now;
    });
    await expect(waitForSpace(space(), show().head.id, () => {})).rejects.toMatchObject({ code: 'DEPLOYMENT_FAILED' });
  });

  it('ends with an abort, and asks for no more', async () => {
    show().stages = ['BUILDING'];
    const controller = new AbortController();
    const waiting = waitForSpace(space(controller.signal), show().head.id, () => {
      // While it waits.
      setImmediate(() => controller.abort(reason));
    });
    await expect(waiting).rejects.toBe(reason);
    expect(hub.api.asked(/runtime/)).toHaveLength(1);
  });

  it('says so where the log cannot be read', async () => {
    show().stages = ['BUILD_ERROR'];
    hub.api.fail(/logs/, FAULTS.status(403));
    await expect(wait(show().head.id)).rejects.toMatchObject({ log: [expect.stringContaining('cannot be read')] });
  });
});

describe('the log of a Space', () => {
  it('is read to where it breaks off', async () => {
    hub.api.fail(/logs/, (response) => {
      response.writeHead(200, { 'content-length': 1000 });
      response.write('data: {"data": "first"}\n\ndata: plain\n\n', () => response.destroy());
    });
    expect(await readSpaceLog(space(), 'build')).toEqual(['first', 'plain']);
  });

  it('is read to a limit where it has no end', async () => {
    hub.api.fail(/logs/, (response) => {
      response.writeHead(200);
      const more = () => {
        while (!response.destroyed && response.write(`data: ${'x'.repeat(8192)}\n\n`));
      };
      response.on('drain', more);
      more();
    });
    const lines = await readSpaceLog(space(), 'run');
    expect(lines.length).toBeGreaterThan(100);
    expect(lines.join('').length).toBeLessThanOrEqual(2 ** 20);
  });

  it('has a line an event, with what stands in it', async () => {
    const events = ['{"data": "two\\nlines\\n", "timestamp": "now"}', '"text"', '7', ' not JSON ', '{"data": null}'];
    const lines = [': keep-alive', ...events.map((event) => `data: ${event}`), 'event: end'];
    hub.api.fail(/logs/, FAULTS.bytes(lines.join('\r\n\r\n')));
    expect(await readSpaceLog(space(), 'run')).toEqual(['two\nlines', 'text', '7', 'not JSON', 'null']);
  });

  it('of a Space that failed is left by an abort', async () => {
    show().stages = ['BUILD_ERROR'];
    const controller = new AbortController();
    hub.api.fail(/logs/, (response) => {
      controller.abort(reason);
      answer(response, 403);
    });
    const waiting = waitForSpace(space(controller.signal), show().head.id, () => {});
    await expect(waiting).rejects.toBe(reason);
  });

  it('comes with the error', async () => {
    show().stages = ['RUNTIME_ERROR'];
    show().log = ['first\n', 'last\n'];
    const error = await waitForSpace(space(), show().head.id, () => {}).catch((thrown) => thrown);
    expect(error).toBeInstanceOf(SpaceFailed);
    expect(error.log).toEqual(['first', 'last']);
  });

  describe('as its bytes come', () => {
    let body: ReadableStreamDefaultController<Uint8Array>;
    beforeEach(() => {
      vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
      const stream = new ReadableStream<Uint8Array>({
        start: (controller) => {
          body = controller;
        },
      });
      vi.stubGlobal('fetch', async () => new Response(stream));
    });
    afterEach(() => {
      vi.unstubAllGlobals();
      vi.useRealTimers();
    });

    it('has its characters whole', async () => {
      const text = 'data: 花 ü 😀\n\n';
      const cuts = cutText(text);
      const log = readSpaceLog(space(), 'run');
      for (const chunk of cuts.flat()) body.enqueue(chunk);
      body.close();
      expect(await log).toEqual(cuts.map(() => '花 ü 😀'));
    });

    it('ends with an abort while it is read', async () => {
      const controller = new AbortController();
      const log = readSpaceLog(space(controller.signal), 'run');
      body.enqueue(Buffer.from('data: first\n\n'));
      await vi.advanceTimersByTimeAsync(1_000);
      controller.abort(reason);
      await expect(log).rejects.toBe(reason);
    });

    it('ends where it stands still for five seconds', async () => {
      const log = readSpaceLog(space(), 'run');
      body.enqueue(Buffer.from('data: first\n\n'));
      await vi.advanceTimersByTimeAsync(4_000);
      body.enqueue(Buffer.from('data: second\n\n'));
      await vi.advanceTimersByTimeAsync(4_000);
      body.enqueue(Buffer.from('data: third\n\n'));
      const ended = vi.fn();
      void log.then(ended);
      await vi.advanceTimersByTimeAsync(4_999);
      expect(ended).not.toHaveBeenCalled();
      await vi.advanceTimersByTimeAsync(1);
      expect(ended).toHaveBeenCalledWith(['first', 'second', 'third']);
    });
  });
});
