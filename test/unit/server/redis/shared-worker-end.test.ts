import { describe, expect, it, vi } from 'vitest';
import { settled } from '../../../support/fake-clock.js';
import { working } from './working.js';

/** Whether a promise is done by now. */
async function isDone(promise: Promise<unknown>): Promise<boolean> {
  const done = vi.fn();
  void promise.then(done);
  await settled();
  return done.mock.calls.length > 0;
}

describe('a worker that cannot reach Redis', () => {
  it('says so, waits a second, and asks again', async () => {
    const { start, put, fails, log, clock, seeds, fetches } = working();
    const away = new Error('away');
    fails.push(away);
    await start();
    expect(log.warn.mock.calls).toEqual([[{ model: 'one', err: away }, expect.any(String)]]);
    await put('a');
    await clock.turn(999);
    expect([seeds(), fetches.length]).toEqual([[], 2]);
    await clock.turn(1);
    expect(seeds()).toEqual([[[1]]]);
  });

  it('waits until there is a connection again', async () => {
    const { start, put, fails, client, clock, seeds } = working();
    fails.push(new Error('away'));
    client.status = 'reconnecting';
    await start();
    await put('a');
    await clock.turn(1000);
    expect(seeds()).toEqual([]);
    client.emit('ready');
    await settled();
    expect(seeds()).toEqual([[[1]]]);
  });

  it('goes on to the next order where the end of one cannot be told', async () => {
    const { start, put, drawing, log, seeds, store } = working();
    const away = new Error('away');
    store.finish.mockRejectedValueOnce(away);
    await start();
    await put('a');
    await drawing.finish();
    expect(log.warn.mock.calls).toEqual([[{ model: 'one', err: away }, expect.any(String)]]);
    await put('b', { seeds: [2] });
    expect(seeds()).toEqual([[[1]], [[2]]]);
  });
});

describe('a worker that drains', () => {
  it('draws what it has, takes nothing more, and says that it is gone', async () => {
    const { worker, start, put, putBack, drawing, seeds, finished, beats, made, client, clock } = working();
    await start();
    await put('a');
    await put('b', { model: 'two' });
    const drained = worker.drain();
    expect(await isDone(drained)).toBe(false);
    expect([client.disconnect.mock.calls, beats()]).toEqual([[], [true]]);
    await drawing.finish();
    await drained;
    expect([seeds(), finished(), putBack.mock.calls]).toEqual([[[[1]]], [['a', 'completed']], [['b']]]);
    expect(made.map(({ bull }) => bull.close.mock.calls)).toEqual([[[true]], [[true]]]);
    expect(beats()).toEqual([true, false]);
    expect(client.disconnect).toHaveBeenCalledOnce();
    // Neither a sign of life nor a lock is due any more.
    expect(clock.pending).toBe(0);
  });

  it('gathers nothing more behind what it has', async () => {
    const { worker, start, put, clock, seeds, drawing, gathered } = working({ batchWindow: 50 });
    await put('a', { seeds: [1] });
    await put('b', { seeds: [2] });
    await start();
    const drained = worker.drain();
    await clock.turn(50);
    expect([seeds(), gathered()]).toEqual([[[[1]]], 0]);
    await drawing.finish();
    await drained;
  });

  it('ends once, however often it is told to', async () => {
    const { worker, start, client, beats } = working();
    await start();
    await Promise.all([worker.drain(), worker.drain(), worker.close()]);
    expect([client.disconnect.mock.calls.length, beats()]).toEqual([1, [true, false]]);
  });

  it('warns of no error that its own end makes', async () => {
    const { worker, start, fails, log, client } = working();
    await start();
    fails.push(new Error('closed'), new Error('closed'));
    await worker.drain();
    expect([log.warn.mock.calls, client.disconnect.mock.calls.length]).toEqual([[], 1]);
  });

  it('ends though nobody hears of it', async () => {
    const { worker, start, store, client } = working();
    await start();
    store.beat.mockRejectedValueOnce(new Error('away'));
    await worker.drain();
    expect(client.disconnect).toHaveBeenCalledOnce();
  });
});

describe('a worker that is closed', () => {
  it('gives back what it has', async () => {
    const { worker, start, put, putBack, drawing, store, finished } = working();
    await start();
    await put('a');
    const closed = worker.close();
    await drawing.finish();
    await closed;
    expect([store.giveBack.mock.calls.map(([id]) => id), putBack.mock.calls, finished()]).toEqual([
      ...[['a'], [['a']], []],
    ]);
  });

  it.each([
    ['ends at once where Redis is away', 'reconnecting'],
    ['ends as soon as Redis goes away', 'ready'],
  ])('%s, though nothing can be given back', async (_, status) => {
    const { worker, start, put, drawing, store, client } = working();
    await start();
    await put('a');
    store.giveBack.mockReturnValueOnce(new Promise(() => {}));
    client.status = status;
    const closed = worker.close();
    await drawing.finish();
    if (status === 'ready') {
      expect(await isDone(closed)).toBe(false);
      client.status = 'reconnecting';
      client.emit('close');
    }
    await closed;
    expect(client.disconnect).toHaveBeenCalledOnce();
  });
});
