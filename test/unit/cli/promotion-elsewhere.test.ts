import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { S3Store } from '../../../src/aws/s3-store.js';
import { main } from '../../../src/cli/main.js';
import { withFileLock } from '../../../src/file-lock.js';
import { fakeIo, whenTold } from '../../support/fake-io.js';
import { MemoryBucket } from '../../support/memory-bucket.js';
import { TinyMlflow } from '../ops/promotion/tiny-mlflow.js';
import { readPromotedModel, writeRun } from '../ops/promotion/tiny-runs.js';
import { ENV } from './offline-cloud.js';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 't2i-elsewhere-'));
});
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(root, { recursive: true });
});

/** A project on a machine of its own. */
function machine(name: string, params: object) {
  const project = join(root, name);
  mkdirSync(project);
  writeFileSync(join(project, 'params.yaml'), JSON.stringify(params));
  const t2i = async (line: string, terminal = false) => {
    const io = fakeIo({ cwd: project, env: ENV, terminal });
    return { code: await main(line.split(' '), io), out: io.out(), err: io.err() };
  };
  return { project, t2i };
}

describe('a promotion that machines share in S3', () => {
  let bucket: MemoryBucket;
  beforeEach(async () => {
    bucket = new MemoryBucket();
    const store = await bucket.store();
    vi.spyOn(S3Store, 'open').mockResolvedValue(store);
  });
  const shared = (name: string) => machine(name, { log_trained_model: { remote: 's3://flowers/promoted' } });

  it('is the same history for each of them, which says where a machine has another model', async () => {
    const [one, other] = [shared('one'), shared('other')];
    writeRun(one.project, 'first', 0.5);
    expect((await one.t2i('promote')).out).toBe('promoted first, loss 0.5: it is the first\n');
    const fresh = await other.t2i('history --json');
    expect(JSON.parse(fresh.out)).toMatchObject({ current: 1, history: [{ run: 'first' }] });
    expect(fresh.err).toBe('note: nothing is promoted here: t2i promote\n');
    expect((await one.t2i('history')).err).toBe('');

    writeRun(other.project, 'second', 0.4);
    const promoted = await other.t2i('promote');
    expect(promoted.out).toBe('promoted second, loss 0.4: better than 0.5\n');
    expect(promoted.err).toMatch(/^note: version 1, first, was promoted by another machine.*here now\n/);
    const behind = await one.t2i('history');
    expect(behind.out).toMatch(/^2 \* .* second /m);
    expect(behind.err).toBe('note: version 1 is promoted here: t2i promote\n');
  });

  it('is gone back from on all of them', async () => {
    const [one, other] = [shared('one'), shared('other')];
    for (const [run, loss] of [
      ['first', 0.5],
      ['second', 0.4],
    ] as const) {
      writeRun(one.project, run, loss);
      await one.t2i('promote');
    }
    const { out } = await other.t2i('rollback --json');
    expect(JSON.parse(out)).toMatchObject({ rolledBack: true, run: 'first', from: 2 });
    await one.t2i('promote');
    for (const { project } of [one, other])
      expect(readPromotedModel(project)).toMatchObject({ version: 1, weights: 'weights of first' });
  });

  it('shows the files on their way on a terminal, and leaves nothing of it there', async () => {
    const { project, t2i } = shared('one');
    writeRun(project, 'first', 0.5);
    const { err } = await t2i('promote', true);
    expect(err).toMatch(/sending a file of \d+ B\b/);
    expect(err.endsWith('\r\u001b[K')).toBe(true);
  });
});

describe('a project with a tracking server', () => {
  let mlflow: TinyMlflow;
  beforeEach(async () => {
    mlflow = await TinyMlflow.start();
  });
  afterEach(() => mlflow.close());
  const tracked = () => machine('here', { mlflow: { server_uri: mlflow.http.url, experiment_name: 'Training' } });

  it('promotes the best run that it has, unless only those of this machine are wanted', async () => {
    const { project, t2i } = tracked();
    mlflow.train('there', 0.25);
    mlflow.train('damaged', 0.125).files.delete('model/run.json');
    writeRun(project, 'here', 0.5);
    expect((await t2i('promote --local')).out).toMatch(/^promoted here, loss 0\.5/);
    const { out, err } = await t2i('promote');
    expect(out).toMatch(/^promoted there, loss 0\.25: better than 0\.5/);
    expect(err).toMatch(/^warning: the run damaged on the MLflow server is left out/);
    expect(readPromotedModel(project).weights).toBe('weights of there');
  });

  it('goes back to a version whose files are there alone', async () => {
    const { project, t2i } = tracked();
    mlflow.train('there', 0.25);
    await t2i('promote');
    writeRun(project, 'here', 0.125);
    await t2i('promote --local');
    rmSync(join(project, 'promotions/versions'), { recursive: true });
    expect((await t2i('rollback')).out).toMatch(/^rolled back from 2 to version 1, there/);
    expect(readPromotedModel(project).weights).toBe('weights of there');
  });
});

describe('what is promoted', () => {
  it.each(['promote', 'rollback 1'])('waits and says so while another process changes it: %s', async (line) => {
    const { project, t2i } = machine('here', {});
    writeRun(project, 'first', 0.5);
    await t2i('promote');
    writeRun(project, 'second', 0.4);
    const lock = join(project, 'promotions/.lock');
    const io = fakeIo({ cwd: project });
    const told = whenTold(io);
    const { signal } = io;
    const running = await withFileLock(lock, { signal, onWait: () => {} }, async () => {
      const command = main(line.split(' '), io);
      await told;
      expect(io.err()).toBe('note: waiting for another process that changes what is promoted\n');
      return { command };
    });
    expect(await running.command).toBe(0);
    expect(existsSync(lock)).toBe(false);
  });

  it('may have a loss that is no number, which is told as such', async () => {
    const { project, t2i } = machine('here', {});
    writeRun(project, 'first', 0.5);
    await t2i('promote');
    const path = join(project, 'saved_models/model_metadata.json');
    const metadata = JSON.parse(readFileSync(path, 'utf8'));
    writeFileSync(path, JSON.stringify({ ...metadata, best_val_diffuser_loss: null }));
    rmSync(join(project, 'promotions'), { recursive: true });
    expect((await t2i('history')).out).toMatch(/^1 \* .* first +no number +7$/m);
    expect((await t2i('rollback 1')).out).toBe('promoted already: version 1, first\n');
  });
});
