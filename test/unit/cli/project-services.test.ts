import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { S3Store } from '../../../src/aws/s3-store.js';
import { tellMlflow } from '../../../src/cli/tell-mlflow.js';
import { withTrackedRuns } from '../../../src/cli/tracked-runs.js';
import { T2IError } from '../../../src/errors.js';
import { PARAMS } from '../../../src/ops/params/schema.js';
import { fakeIo } from '../../support/fake-io.js';
import { MemoryBucket } from '../../support/memory-bucket.js';
import { TinyMlflow } from '../ops/promotion/tiny-mlflow.js';
import { writeRun } from '../ops/promotion/tiny-runs.js';
import '../../../src/cli/promote/run-promote.js';
import { main } from '../../../src/cli/main.js';

let project: string;
beforeEach(() => {
  project = mkdtempSync(join(tmpdir(), 't2i-services-'));
});
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(project, { recursive: true });
});

describe('S3, where a tracking server keeps files of runs', () => {
  const { mlflow } = PARAMS.parse({ mlflow: { server_uri: 'http://127.0.0.1:9', experiment_name: 'Flowers' } });
  const opened = async () => {
    const store = await new MemoryBucket().store();
    return { store, close: vi.spyOn(store, 'close'), open: vi.spyOn(S3Store, 'open').mockResolvedValue(store) };
  };

  it('is opened once, by the first run that lies there, and closed in the end', async () => {
    const { store, close, open } = await opened();
    const done = await withTrackedRuns(project, mlflow, fakeIo(), async (tracked) => {
      expect(tracked).toMatchObject({ experiment: 'Flowers', server: expect.anything() });
      expect(open).not.toHaveBeenCalled();
      expect([await tracked?.s3(), await tracked?.s3()]).toEqual([store, store]);
      expect(close).not.toHaveBeenCalled();
      return 7;
    });
    expect([done, open.mock.calls.length, close.mock.calls.length]).toEqual([7, 1, 1]);
  });

  it('is closed where the work fails, and never opened where it is not asked for', async () => {
    const { close, open } = await opened();
    const failing = async () => {
      throw new Error('the work');
    };
    await expect(withTrackedRuns(project, mlflow, fakeIo(), failing)).rejects.toThrow('the work');
    expect(open).not.toHaveBeenCalled();
    const late = withTrackedRuns(project, mlflow, fakeIo(), async (tracked) => {
      await tracked?.s3();
      return failing();
    });
    await expect(late).rejects.toThrow('the work');
    expect(close).toHaveBeenCalledOnce();
  });

  it('that cannot be opened fails the work alone', async () => {
    vi.spyOn(S3Store, 'open').mockRejectedValue(new T2IError('ACCESS_DENIED', 'no account'));
    const asks = withTrackedRuns(project, mlflow, fakeIo(), (tracked) => tracked?.s3() ?? Promise.resolve(null));
    await expect(asks).rejects.toThrow('no account');
    const copes = withTrackedRuns(project, mlflow, fakeIo(), async (tracked) => tracked?.s3().catch(() => 'local'));
    expect(await copes).toBe('local');
  });

  it('is not needed where there is no tracking server', async () => {
    const { mlflow: none } = PARAMS.parse({ mlflow: { server_uri: null } });
    expect(await withTrackedRuns(project, none, fakeIo(), async (tracked) => tracked)).toBeNull();
  });
});

describe('the champion in MLflow', () => {
  let mlflow: TinyMlflow;
  beforeEach(async () => {
    mlflow = await TinyMlflow.start();
  });
  afterEach(() => mlflow.close());
  const params = () => PARAMS.parse({ mlflow: { server_uri: mlflow.http.url, registered_model_name: 'Flowers' } });

  it('is not touched where nothing is promoted', async () => {
    const io = fakeIo();
    await tellMlflow(project, params(), io);
    expect([io.err(), mlflow.http.requests]).toEqual(['', []]);
  });

  it('that cannot be told of for a bug of ours is no warning', async () => {
    writeFileSync(join(project, 'params.yaml'), '');
    writeRun(project, 'first', 0.5);
    mlflow.register(mlflow.add('first', null), 0.5);
    expect(await main(['promote', '--local'], fakeIo({ cwd: project }))).toBe(0);
    const io = fakeIo();
    const bug = new TypeError('x is not a function');
    vi.spyOn(io.stderr, 'write').mockImplementationOnce(() => {
      throw bug;
    });
    await expect(tellMlflow(project, params(), io)).rejects.toBe(bug);
    expect(io.err()).toBe('');
    expect(mlflow.alias).toBe('1');
  });
});
