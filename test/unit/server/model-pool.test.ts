import { afterEach, describe, expect, it, vi } from 'vitest';
import { T2IError } from '../../../src/errors.js';
import { ModelPool } from '../../../src/server/models/model-pool.js';
import type { ServedModel } from '../../../src/server/models/served-model.js';
import { settled } from '../../support/fake-clock.js';
import { memoryModel } from '../../support/memory-server.js';

/** A pool of models that take 100 bytes each, and what it tells. */
function poolOf(memory: number | null, ...ids: readonly string[]) {
  const models = Object.fromEntries(ids.map((id) => [id, memoryModel(id)]));
  const told: string[] = [];
  const pool = new ModelPool(Object.values(models), {
    memory,
    onOpen: (id) => told.push(`open ${id}`),
    onClose: (id) => told.push(`close ${id}`),
  });
  const model = (id: string) => models[id] as ReturnType<typeof memoryModel>;
  return {
    ...{ pool, told, model },
    use: (id: string, work: () => Promise<void> = async () => {}) => pool.use(model(id), work),
    /** Uses a model until the test says so. */
    hold(id: string) {
      let release = () => {};
      const used = pool.use(model(id), () => new Promise<void>((resolve) => (release = resolve)));
      return async () => {
        release();
        await used;
      };
    },
    open: () => [...pool.backends.keys()].join(' '),
  };
}

/** A model whose opening ends when the test says so. */
function slowModel(id: string) {
  const ends: { resolve(): void; reject(error: unknown): void }[] = [];
  const signals: AbortSignal[] = [];
  const model = memoryModel(id);
  const { open } = model;
  const slow: ServedModel = Object.assign(model, {
    open: (signal: AbortSignal) => {
      signals.push(signal);
      return new Promise((resolve, reject) => ends.push({ resolve: () => resolve(open(signal)), reject }));
    },
  });
  return { slow, ends, signals, sessions: model.sessions };
}

describe('open models', () => {
  afterEach(() => vi.useRealTimers());

  it('are opened once for all who use them, and told with the time that took and what runs them', async () => {
    vi.useFakeTimers({ toFake: ['performance'] });
    vi.advanceTimersByTime(5000);
    const { slow, ends, sessions } = slowModel('slow');
    const told: [string, number][] = [];
    const pool = new ModelPool([slow], { memory: null, onOpen: (...each) => told.push(each) });
    const used = Promise.all([1, 2].map((value) => pool.use(slow, async () => value)));
    await settled();
    expect([...pool.backends]).toEqual([['slow', null]]);
    vi.advanceTimersByTime(250);
    ends[0]?.resolve();
    expect(await used).toEqual([1, 2]);
    expect([...pool.backends]).toEqual([['slow', 'memory']]);
    expect([ends.length, sessions.length, told]).toEqual([1, 1, [['slow', 250]]]);
  });

  it('fill the memory to its last byte before the one is closed that was not used for longest', async () => {
    const { use, told, open } = poolOf(200, 'a', 'b', 'c');
    for (const id of ['a', 'b', 'a', 'c']) await use(id);
    expect(told).toEqual(['open a', 'open b', 'close b', 'open c']);
    expect(open()).toBe('a c');
  });

  it('are closed one by one, and no more of them than make room', async () => {
    const { use, told, open, model } = poolOf(300, 'a', 'b', 'c', 'large');
    Object.assign(model('large'), { bytes: 200 });
    for (const id of ['a', 'b', 'c', 'large']) await use(id);
    expect(told.filter((each) => each.startsWith('close'))).toEqual(['close a', 'close b']);
    expect(open()).toBe('c large');
  });

  it('are not closed while somebody uses them, but for the next one that is needed', async () => {
    const { use, hold, told, open } = poolOf(100, 'a', 'b', 'c');
    const release = [hold('a'), hold('a')];
    await settled();
    await use('b');
    expect([told, open()]).toEqual([['open a', 'open b'], 'a b']);
    await release[0]?.();
    await use('c');
    expect([told.slice(2), open()]).toEqual([['close b', 'open c'], 'a c']);
    await release[1]?.();
    await use('b');
    expect([told.slice(4), open()]).toEqual([['close a', 'close c', 'open b'], 'b']);
  });

  it('all stay open where memory has no bound', async () => {
    const { use, told, open } = poolOf(null, 'a', 'b');
    for (const id of ['a', 'b', 'a']) await use(id);
    expect([told, open()]).toEqual([['open a', 'open b'], 'b a']);
  });

  it('may take all of the memory, and no more, by themselves', () => {
    expect(() => poolOf(100, 'a')).not.toThrow();
    expect(() => poolOf(99, 'a')).toThrow(
      expect.objectContaining({
        ...{ code: 'OPTION_INVALID', message: expect.stringMatching(/^memory: .*100.* a .*99/) },
        issues: [{ option: 'memory', expected: expect.stringContaining('100'), received: '99' }],
      }),
    );
  });

  it.each(['DEVICE_LOST', 'CLOSED'] as const)(
    'that end with %s are closed, and opened anew for the next',
    async (code) => {
      const { use, told, open } = poolOf(null, 'a');
      const error = new T2IError(code, 'gone');
      await expect(use('a', () => Promise.reject(error))).rejects.toBe(error);
      expect([told, open()]).toEqual([['open a', 'close a'], '']);
      await use('a');
      expect(told.slice(2)).toEqual(['open a']);
    },
  );

  it.each([new T2IError('BACKEND_CRASHED', 'gone'), Object.assign(new Error('gone'), { code: 'CLOSED' })])(
    'stay open where a request alone failed: %s',
    async (error) => {
      const { use, told, open, model } = poolOf(100, 'a', 'b');
      await expect(use('a', () => Promise.reject(error))).rejects.toBe(error);
      expect([told, open()]).toEqual([['open a'], 'a']);
      await use('b');
      expect([told.slice(1), model('a').sessions[0]?.closes]).toEqual([['close a', 'open b'], 1]);
    },
  );

  it('that were opened anew are not closed for a request that still fails with the one before', async () => {
    const { use, told, open } = poolOf(null, 'a');
    const error = new T2IError('DEVICE_LOST', 'gone');
    let fail = () => {};
    const late = use('a', () => new Promise((_, reject) => (fail = () => reject(error))));
    await settled();
    await expect(use('a', () => Promise.reject(error))).rejects.toBe(error);
    await use('a');
    fail();
    await expect(late).rejects.toBe(error);
    expect(open()).toBe('a');
    await use('a');
    expect(told.filter((each) => each === 'open a')).toHaveLength(2);
  });

  it('that cannot be opened are tried again by the next request', async () => {
    const { slow, ends } = slowModel('slow');
    const told: string[] = [];
    const pool = new ModelPool([slow], { memory: null, onClose: (id) => told.push(id) });
    const error = new T2IError('BACKEND_UNAVAILABLE', 'not yet');
    const first = pool.use(slow, async () => 'done');
    await settled();
    ends[0]?.reject(error);
    await expect(first).rejects.toBe(error);
    expect([...pool.backends]).toEqual([]);
    const second = pool.use(slow, async () => 'done');
    await settled();
    ends[1]?.resolve();
    expect([await second, told]).toEqual(['done', []]);
  });
});

describe('the end of open models', () => {
  it('comes for all of them, also for one that is being opened, and for those of others not', async () => {
    const { slow, ends, signals } = slowModel('slow');
    const [mine, theirs] = [memoryModel('mine'), memoryModel('theirs', { closes: false })];
    const told: string[] = [];
    const pool = new ModelPool([mine, theirs, slow], { memory: null, onClose: (id) => told.push(id) });
    for (const model of [mine, theirs]) await pool.use(model, async () => {});
    const late = pool.use(slow, async () => {});
    const refused = expect(late).rejects.toMatchObject({ code: 'CLOSED' });
    await settled();
    expect(signals.map(({ aborted }) => aborted)).toEqual([false]);
    const closed = pool.close();
    expect(signals[0]?.reason).toMatchObject({ code: 'CLOSED' });
    ends[0]?.reject(signals[0]?.reason);
    await Promise.all([closed, refused]);
    expect([told, [...pool.backends.keys()]]).toEqual([['mine'], []]);
    expect([mine, theirs].map(({ sessions }) => sessions[0]?.closes)).toEqual([1, 0]);
    await expect(pool.use(mine, async () => {})).rejects.toMatchObject({ code: 'CLOSED' });
    expect(mine.sessions).toHaveLength(1);
  });

  it('is told to nobody where nobody wants to know', async () => {
    const model = memoryModel('a');
    const pool = new ModelPool([model], { memory: null });
    await pool.use(model, async () => {});
    await pool.close();
    await pool.close();
    expect(model.sessions[0]?.closes).toBe(1);
  });
});
