import { describe, expect, it } from 'vitest';
import { queueName } from '../../../../src/server/redis/queue-name.js';
import { ONE, TWO, working } from './working.js';

describe('a worker of a shared queue', () => {
  it('asks the queue of each model, and has what others left checked', async () => {
    const { start, made, fetches, client } = working();
    await start();
    expect(fetches).toEqual([ONE, TWO].map((model) => ({ name: queueName(model), block: true })));
    for (const { options, bull } of made) {
      const times = { lockDuration: 30_000, stalledInterval: 15_000, drainDelay: 2, maxStalledCount: 1000 };
      expect(options).toEqual({ connection: client, prefix: 't2i-bull', autorun: false, ...times });
      expect(bull.startStalledCheckTimer).toHaveBeenCalledOnce();
      expect(() => bull.emit('error', new Error('away'))).not.toThrow();
    }
  });

  it('draws what comes up, tells how long it took, and goes on to the next', async () => {
    const { start, put, drawing, seeds, finished, store } = working();
    await start();
    await put('a', { seeds: [7] });
    await drawing.clock.turn(500);
    await drawing.finish();
    await put('b', { seeds: [8], prompt: 'a dog' });
    expect(seeds()).toEqual([[[7]], [[8]]]);
    expect(finished()).toEqual([['a', 'completed']]);
    expect(store.learn.mock.calls).toEqual([[queueName(ONE), expect.any(Number)]]);
  });

  it('tells no time where nothing has been drawn yet', async () => {
    const { start, put, drawing, store, finished } = working();
    await start();
    await put('a');
    await drawing.crash(new Error('broken'));
    expect([finished(), store.learn.mock.calls]).toEqual([[['a', 'failed']], []]);
  });

  it('gives the device to one model at a time', async () => {
    const { start, put, drawing, seeds, store } = working();
    await start();
    await put('a', { seeds: [1] });
    await put('b', { seeds: [2], model: 'two' });
    expect([seeds(), store.take.mock.calls.length]).toEqual([[[[1]]], 1]);
    await drawing.finish();
    expect(seeds()).toEqual([[[1]], [[2]]]);
  });

  it('shows every ten seconds that it lives, also after Redis did not hear of it', async () => {
    const { start, clock, beats, store } = working();
    store.beat.mockRejectedValueOnce(new Error('away'));
    await start();
    expect(beats()).toEqual([true]);
    await clock.turn(9999);
    expect(beats()).toEqual([true]);
    await clock.turn(1);
    await clock.turn(10_000);
    expect(beats()).toEqual([true, true, true]);
    expect(new Set(store.beat.mock.calls.map(([name]) => name)).size).toBe(1);
  });
});

describe('what is drawn together', () => {
  it('is what is alike and for which there is room; the first that is not goes back', async () => {
    const { start, put, seeds, putBack, gathered } = working();
    await put('a', { seeds: [1] });
    await put('b', { seeds: [2, 3] });
    await put('c', { seeds: [4, 5] });
    await put('d', { seeds: [6] });
    await start();
    expect(seeds()).toEqual([[[1], [2, 3]]]);
    expect([putBack.mock.calls, gathered()]).toEqual([[['c']], 2]);
  });

  it('is no more than there is room for, and nothing further is asked for', async () => {
    const { start, put, seeds, putBack, gathered } = working();
    await put('a', { seeds: [1, 2] });
    await put('b', { seeds: [3, 4] });
    await put('c', { seeds: [5] });
    await start();
    expect(seeds()).toEqual([
      [
        [1, 2],
        [3, 4],
      ],
    ]);
    expect([putBack.mock.calls, gathered()]).toEqual([[], 1]);
  });

  it('is nothing of another request', async () => {
    const { start, put, seeds, putBack } = working();
    await put('a', { seeds: [1] });
    await put('b', { seeds: [2], prompt: 'a dog' });
    await start();
    expect([seeds(), putBack.mock.calls]).toEqual([[[[1]]], [['b']]]);
  });

  it('leaves out an order that is not to be drawn, and goes on behind it', async () => {
    const { start, put, seeds, finished } = working();
    await put('a', { seeds: [1] });
    await put('b', { seeds: [2], taken: { cancelled: true } });
    await put('c', { seeds: [3] });
    await start();
    expect([seeds(), finished()]).toEqual([[[[1], [3]]], [['b', 'cancelled']]]);
  });

  it('is not looked for where the first is not to be drawn', async () => {
    const { start, put, seeds, gathered, log } = working();
    await put('a', { taken: { cancelled: true } });
    await start();
    expect([seeds(), gathered(), log.warn.mock.calls]).toEqual([[], 0, []]);
  });

  it('is not looked for where the first ended a process', async () => {
    const { start, put, seeds, gathered } = working();
    await put('a', { seeds: [1], taken: { takes: 1 } });
    await put('b', { seeds: [2] });
    await start();
    expect([seeds(), gathered()]).toEqual([[[[1]]], 0]);
  });

  it('is waited for as long as it is told to', async () => {
    const { start, put, seeds, clock } = working({ batchWindow: 50 });
    await put('a', { seeds: [1] });
    await start();
    await clock.turn(49);
    expect(seeds()).toEqual([]);
    await put('b', { seeds: [2] });
    await clock.turn(1);
    expect(seeds()).toEqual([[[1], [2]]]);
  });

  it('is left where the queue cannot be read, which is logged, and the first is drawn all the same', async () => {
    const { start, put, seeds, fails, log, clock } = working({ batchWindow: 50 });
    const away = new Error('away');
    await put('a', { seeds: [1] });
    await start();
    fails.push(away);
    await clock.turn(50);
    expect(seeds()).toEqual([[[1]]]);
    expect(log.warn.mock.calls).toEqual([[{ model: 'one', err: away }, expect.stringMatching(/not drawn$/)]]);
  });
});
