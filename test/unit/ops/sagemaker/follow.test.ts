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
