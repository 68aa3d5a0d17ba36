import { describe, expect, it } from 'vitest';
import { T2IError } from '../../../../src/errors.js';
import { followJob } from '../../../../src/ops/sagemaker/follow.js';
import { LogFollower, type LogSource } from '../../../../src/ops/sagemaker/logs.js';

const busy = () => new T2IError('NETWORK_FAILED', 'AWS is too busy');

/** Streams that grow, of which a page has two lines. */
class Scripted implements LogSource {
  readonly log: Record<string, string[]> = {};
  failures = 0;

  async streams(): Promise<string[]> {
    if (this.failures-- > 0) throw busy();
    return Object.keys(this.log).sort();
  }

  async read(stream: string, token = '0') {
    const start = Number(token);
    const page = (this.log[stream] ?? []).slice(start, start + 2);
    const lines = page.map((text, at) => ({ time: start + at, text }));
    return { lines, token: String(start + page.length) };
  }
}

const job = (status: string) => ({ TrainingJobStatus: status }) as never;
const signal = new AbortController().signal;

describe('following a job', () => {
  it('reads streams that come later, and what is written until the end', async () => {
    const source = new Scripted();
    const lines: string[] = [];
    const log = new LogFollower(source, ({ host, text }) => lines.push(`${host} ${text}`));
    const course = [
      () => {},
      () => {
        source.log['j/algo-1-100'] = ['a', 'b', 'c'];
      },
      () => {
        source.log['j/algo-1-200'] = ['after the restart'];
        source.log['j/algo-2-100'] = ['x'];
      },
      () => {
        source.log['j/algo-1-200']?.push('1', '2', '3', '4', 'last');
      },
    ];
    const describe = async () => {
      course.shift()?.();
      return job(course.length === 0 ? 'Completed' : 'InProgress');
    };
    await followJob({ every: 1, describe, log, signal });
    expect(lines.slice(-5)).toEqual(['algo-1 1', 'algo-1 2', 'algo-1 3', 'algo-1 4', 'algo-1 last']);
    expect(lines.slice(0, -5).sort()).toEqual([
      'algo-1 a',
      'algo-1 after the restart',
      'algo-1 b',
      'algo-1 c',
      'algo-2 x',
    ]);
  });

  it('waits for a service that is busy, and misses nothing', async () => {
    const source = new Scripted();
    source.log['j/algo-1-1'] = ['one'];
    source.failures = 3;
    const lines: string[] = [];
    const warnings: string[] = [];
    const log = new LogFollower(source, ({ text }) => lines.push(text));
    const describe = async () => job('Failed');
    await followJob({ every: 1, describe, log, signal, onWarning: (message) => warnings.push(message) });
    expect(lines).toEqual(['one']);
    expect(warnings.length).toBeGreaterThan(0);
  });

  it('gives up where the service stays away, and tells at once what is no such thing', async () => {
    const log = { poll: async () => {} };
    const away = followJob({ every: 0, log, signal, describe: async () => Promise.reject(busy()) });
    await expect(away).rejects.toMatchObject({ code: 'NETWORK_FAILED' });
    const denied = async () => Promise.reject(new T2IError('ACCESS_DENIED', 'no'));
    await expect(followJob({ every: 0, log, signal, describe: denied })).rejects.toMatchObject({
      code: 'ACCESS_DENIED',
    });
  });

  it('asks later each time while the job or its log cannot be reached, and as before when they can', async () => {
    const [F, ok] = [false, true];
    // Of each look: whether the job can be described, and its log read.
    const looks = [ok, F, F, F, F, F, ok, ok, ok, F, ok, ok].map((described) => [described, ok]);
    looks.push([ok, F], [F, F], [ok, ok]);
    const [waits, warnings, seen]: [number[], string[], unknown[]] = [[], [], []];
    let at = -1;
    const reach = (part: 0 | 1) => {
      if (looks[at]?.[part] === false) throw new T2IError('NETWORK_FAILED', part === 0 ? 'no job' : 'no log');
    };
    const ended = await followJob({
      every: 100,
      signal,
      describe: async () => {
        at++;
        reach(0);
        return job(at === looks.length - 1 ? 'Completed' : 'InProgress');
      },
      log: { poll: async () => reach(1) },
      onJob: (found) => seen.push(found),
      onWarning: (message) => warnings.push(message),
      sleep: async (milliseconds) => void waits.push(milliseconds),
    });
    expect(ended).toEqual(job('Completed'));
    expect(waits).toEqual([100, 200, 400, 800, 800, 800, 100, 100, 100, 200, 100, 100, 200, 400]);
    expect(warnings).toEqual(['no job', 'no job', 'no log', 'no job'].map((message) => `${message}; trying again`));
    expect(seen).toEqual([
      ...Array(looks.filter(([described]) => described).length - 1).fill(job('InProgress')),
      job('Completed'),
    ]);
  });

  it('of a job that has ended goes on until its log could be read', async () => {
    const polls = [false, false, true];
    let looks = 0;
    const poll = async () => {
      if (polls.shift() === false) throw busy();
    };
    const describe = async () => {
      looks++;
      return job('Stopped');
    };
    expect(await followJob({ every: 0, describe, log: { poll }, signal })).toEqual(job('Stopped'));
    expect(looks).toBe(3);
  });

  it('waits by the clock between looks, and no longer than until the signal', async () => {
    let looks = 0;
    const describe = async () => job(++looks === 2 ? 'Completed' : 'InProgress');
    const before = performance.now();
    await followJob({ every: 20, describe, log: { poll: async () => {} }, signal });
    // A timer may come a millisecond too soon.
    expect(performance.now() - before).toBeGreaterThan(18);
    const stop = new AbortController();
    const poll = async () => void setImmediate(() => stop.abort('interrupted'));
    const waiting = followJob({
      every: 3_600_000,
      log: { poll },
      describe: async () => job('InProgress'),
      signal: stop.signal,
    });
    await expect(waiting).rejects.toBe('interrupted');
  });

  it('gives up after ten looks in a row, and not before', async () => {
    let left = 9;
    const describe = async () => {
      if (left-- > 0) throw busy();
      return job('Completed');
    };
    const following = { every: 0, describe, log: { poll: async () => {} }, signal };
    expect(await followJob(following)).toEqual(job('Completed'));
    left = 10;
    await expect(followJob(following)).rejects.toMatchObject({ code: 'NETWORK_FAILED' });
    expect(left).toBe(0);
  });

  it.each([
    new T2IError('ACCESS_DENIED', 'no'),
    new Error('broken'),
    Object.assign(new Error('none of ours'), { code: 'NETWORK_FAILED' }),
  ])('tells at once what is no error of the service: %s', async (error) => {
    let looks = 0;
    const describe = () => Promise.reject([looks++, error][1]);
    await expect(followJob({ every: 0, describe, log: { poll: async () => {} }, signal })).rejects.toBe(error);
    expect(looks).toBe(1);
  });

  it('ends with the signal, while it waits, too', async () => {
    const stop = new AbortController();
    const following = followJob({
      every: 3_600_000,
      log: { poll: async () => stop.abort('interrupted') },
      describe: async () => job('InProgress'),
      signal: stop.signal,
    });
    await expect(following).rejects.toBe('interrupted');
  });
});
