import { describe, expect, it } from 'vitest';
import { findExperiment, getRun, metricHistory, pages, searchRuns } from '../../../../src/ops/mlflow/runs.js';
import { Failure, TrackingServer } from './tracking.js';

const tracking = new TrackingServer();
const all = async <T>(found: AsyncIterable<T>): Promise<T[]> => {
  const items: T[] = [];
  for await (const one of found) items.push(one);
  return items;
};
const BARE = { info: { run_id: 'r1' } };

describe('an experiment', () => {
  it('is found by its name', async () => {
    tracking.answers = () => ({ experiment: { experiment_id: '7' } });
    const name = 'Blumen & Käfer/2';
    expect(await findExperiment(tracking.client(), name)).toBe('7');
    expect(tracking.questions).toEqual([
      { method: 'GET', path: 'mlflow/experiments/get-by-name', fields: { experiment_name: name } },
    ]);
  });

  it('that may not be seen is not taken for one that is missing', async () => {
    tracking.answers = () => new Failure(403);
    await expect(findExperiment(tracking.client(), 'x')).rejects.toMatchObject({ code: 'ACCESS_DENIED' });
    tracking.answers = () => new Failure(404);
    expect(await findExperiment(tracking.client(), 'x')).toBeNull();
    const stopped = tracking.client({}, AbortSignal.abort('enough'));
    await expect(findExperiment(stopped, 'x')).rejects.toBe('enough');
  });

  it('without an id is none', async () => {
    tracking.answers = () => ({ experiment: { experiment_id: '' } });
    await expect(findExperiment(tracking.client(), 'x')).rejects.toMatchObject({ code: 'REMOTE_REFUSED' });
  });
});

describe('runs', () => {
  it('are searched as was asked, on all pages', async () => {
    const next: Record<string, string> = { '': 'second', second: 'third', third: '' };
    tracking.answers = ({ fields: { page_token = '' } }) => ({
      runs: [{ info: { run_id: `of ${page_token}` } }],
      next_page_token: next[page_token as string],
    });
    const filter = "attributes.status = 'FINISHED'";
    const search = { experiment: '7', filter };
    const found = await all(searchRuns(tracking.client(), search));
    expect(found.map(({ id }) => id)).toEqual(['of ', 'of second', 'of third']);
    const asked = { experiment_ids: ['7'], filter, max_results: 200 };
    expect(tracking.questions).toEqual(
      [{}, { page_token: 'second' }, { page_token: 'third' }].map((page) => ({
        method: 'POST',
        path: 'mlflow/runs/search',
        fields: { ...asked, ...page },
      })),
    );
  });

  it('may be none', async () => {
    expect(await all(searchRuns(tracking.client(), { experiment: '7' }))).toEqual([]);
    expect(tracking.questions[0]?.fields).toEqual({ experiment_ids: ['7'], max_results: 200 });
  });

  it('are searched again where a server has trouble, since that changes nothing', async () => {
    let asked = 0;
    tracking.answers = () => (asked++ === 0 ? new Failure(503) : { runs: [BARE] });
    expect(await all(searchRuns(tracking.client(), { experiment: '7' }))).toHaveLength(1);
  });

  it('are asked for page by page, as far as they are looked at', async () => {
    tracking.answers = () => ({ runs: [BARE, BARE], next_page_token: 'more' });
    for await (const _ of searchRuns(tracking.client(), { experiment: '7' })) break;
    expect(tracking.questions).toHaveLength(1);
  });
});

describe('a run', () => {
  it('is asked for by its id', async () => {
    tracking.answers = () => ({
      run: {
        info: {
          run_id: 'r1',
          run_name: 'first',
          status: 'FINISHED',
          end_time: 1_700_000_000_000,
          artifact_uri: 's3://b/x',
        },
        data: {
          metrics: [{ key: 'loss', value: 0.5, timestamp: 3, step: 0 }],
          params: [{ key: 'T', value: '1000' }, { key: '__proto__' }],
          tags: [{ key: 'a', value: 'b' }],
        },
      },
    });
    expect(await getRun(tracking.client(), 'r1')).toEqual({
      id: 'r1',
      name: 'first',
      status: 'FINISHED',
      ended: 1_700_000_000_000,
      artifacts: 's3://b/x',
      metrics: { loss: 0.5 },
      params: { T: '1000', ['__proto__']: '' },
      tags: { a: 'b' },
    });
    expect(tracking.questions).toEqual([{ method: 'GET', path: 'mlflow/runs/get', fields: { run_id: 'r1' } }]);
  });

  it('of which nothing is logged goes on, and has no values', async () => {
    tracking.answers = () => ({ run: BARE });
    expect(await getRun(tracking.client(), 'r1')).toEqual({
      id: 'r1',
      name: '',
      status: 'RUNNING',
      ended: null,
      artifacts: '',
      metrics: {},
      params: {},
      tags: {},
    });
  });
});

describe('the history of a metric', () => {
  it('is all that was logged, on all pages', async () => {
    tracking.answers = ({ fields: { page_token } }) =>
      page_token === undefined
        ? { metrics: [{ key: 'loss', value: 2, timestamp: '1700000000000', step: '7' }], next_page_token: 'b' }
        : { metrics: [{ key: 'loss', value: 'NaN' }] };
    expect(await all(metricHistory(tracking.client(), 'r1', 'loss'))).toEqual([
      { key: 'loss', value: 2, timestamp: 1_700_000_000_000, step: 7 },
      { key: 'loss', value: Number.NaN, timestamp: 0, step: 0 },
    ]);
    const fields = { run_id: 'r1', metric_key: 'loss', max_results: '1000' };
    const question = { method: 'GET', path: 'mlflow/metrics/get-history' };
    expect(tracking.questions).toEqual([
      { ...question, fields },
      { ...question, fields: { ...fields, page_token: 'b' } },
    ]);
  });

  it('is empty where nothing was logged', async () => {
    expect(await all(metricHistory(tracking.client(), 'r1', 'loss'))).toEqual([]);
  });
});

describe('pages', () => {
  const counted = (last: number) => {
    const asked: (string | undefined)[] = [];
    const found = pages(async (token) => {
      asked.push(token);
      return { items: [asked.length], next: asked.length === last ? undefined : `${asked.length}` };
    });
    return { asked, found };
  };

  it('may be a thousand', async () => {
    const { asked, found } = counted(1000);
    expect(await all(found)).toHaveLength(1000);
    expect(asked.slice(0, 3)).toEqual([undefined, '1', '2']);
  });

  it('are refused where they are more', async () => {
    const { asked, found } = counted(Number.POSITIVE_INFINITY);
    await expect(all(found)).rejects.toMatchObject({ code: 'REMOTE_REFUSED', hint: expect.any(String) });
    expect(asked).toHaveLength(1000);
  });

  it('that lead to themselves are not taken for all there is', async () => {
    const same = pages(async () => ({ items: [1], next: 'same' }));
    await expect(all(same)).rejects.toMatchObject({ code: 'REMOTE_REFUSED' });
  });
});
