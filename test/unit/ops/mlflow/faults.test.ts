import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Artifacts } from '../../../../src/ops/mlflow/artifacts.js';
import { ensureModel, getChampion, setChampion } from '../../../../src/ops/mlflow/registry.js';
import { getRun, type MlflowRun, metricHistory } from '../../../../src/ops/mlflow/runs.js';
import { MlflowServer } from '../../../../src/ops/mlflow/server.js';
import { answer, FAULTS, FakeServer, type Handler } from '../../../support/fake-server.js';

const CANARY = 'canary-c0ffee';
const signal = new AbortController().signal;
const RUN = {
  info: {
    run_id: 'r1',
    run_name: 'first',
    status: 'FINISHED',
    end_time: '1700000000000',
    artifact_uri: 'mlflow-artifacts:/1/r1/artifacts',
  },
  data: { metrics: [{ key: 'loss', value: 'NaN', step: '3' }], params: [{ key: 'T', value: '1000' }], tags: [] },
};
const BYTES = Buffer.from('weights'.repeat(20_000));
const record = { bytes: BYTES.length, sha256: createHash('sha256').update(BYTES).digest('hex') };

let fake: FakeServer;
let handler: Handler;
let folder: string;
const server = (env: Record<string, string> = {}) => new MlflowServer({ address: fake.url, env, wait: async () => {} });
const noS3 = async () => {
  throw new Error('S3 is opened');
};
const artifactsOf = (run: MlflowRun, at = server()) => Artifacts.of(at, run, noS3);
const theRun = async (): Promise<MlflowRun> => getRun(server(), 'r1');

beforeEach(async () => {
  handler = ({ path, headers }, response) => {
    if (path.endsWith('/runs/get')) return answer(response, 200, { run: RUN });
    if (!path.includes('/mlflow-artifacts/'))
      return answer(response, 404, { error_code: 'RESOURCE_DOES_NOT_EXIST', message: 'none' });
    const start = Number(/^bytes=(\d+)-$/.exec(headers.range ?? '')?.[1] ?? 0);
    answer(response, start > 0 ? 206 : 200, BYTES.subarray(start));
  };
  fake = await FakeServer.start((request, response) => handler(request, response));
  folder = await mkdtemp(join(tmpdir(), 't2i-mlflow-'));
});
afterEach(async () => {
  await fake.close();
  await rm(folder, { recursive: true });
});

describe('an MLflow server', () => {
  it.each([
    [401, 'ACCESS_DENIED', /MLFLOW_TRACKING_USERNAME/],
    [403, 'ACCESS_DENIED', /of a user who may do this/],
    [404, 'REMOTE_NOT_FOUND', /name/],
    [409, 'REMOTE_CONFLICT', /again/],
    [429, 'NETWORK_FAILED', /fewer requests/],
    [503, 'NETWORK_FAILED', /later/],
  ])('that answers %d is %s, with what to do', async (status, code, hint) => {
    fake.fail(/runs\/get/, FAULTS.status(status), 9);
    await expect(getRun(server(), 'r1')).rejects.toMatchObject({ code, hint: expect.stringMatching(hint) });
    expect(fake.requests).toHaveLength(status === 429 || status === 503 ? 5 : 1);
  });

  it('that has trouble for a moment is asked again, but never to do twice what may be done once', async () => {
    fake.fail(/runs\/get/, FAULTS.status(503));
    expect((await getRun(server(), 'r1')).name).toBe('first');
    fake.fail(/registered-models\/create/, FAULTS.status(503), 9);
    await expect(ensureModel(server(), 'm')).rejects.toMatchObject({ code: 'NETWORK_FAILED' });
    expect(fake.asked(/create/)).toHaveLength(1);
  });

  it.each([
    ['an HTML page', FAULTS.html, /received an HTML page/],
    ['something else', FAULTS.bytes('{"run": {}}'), /runs\/get was answered with something else: run.info/],
    ['a redirect with the request', FAULTS.redirect('ftp://elsewhere'), /a redirect to no web address/],
  ])('that answers with %s is refused', async (_, fault, message) => {
    fake.fail(/runs\/get/, fault, 9);
    const expected = { code: 'REMOTE_REFUSED', message: expect.stringMatching(message), hint: expect.any(String) };
    await expect(getRun(server(), 'r1')).rejects.toMatchObject(expected);
  });

  it('reads values that JSON has no names for', async () => {
    handler = (_, response) =>
      answer(response, 200, {
        metrics: ['NaN', 'Infinity', '-Infinity', 1e-5].map((value) => ({ key: 'loss', value })),
      });
    const values: number[] = [];
    for await (const { value } of metricHistory(server(), 'r1', 'loss')) values.push(value);
    expect(values).toEqual([Number.NaN, Infinity, -Infinity, 1e-5]);
    handler = (_, response) => answer(response, 200, { run: RUN });
    expect(await theRun()).toMatchObject({
      metrics: { loss: Number.NaN },
      params: { T: '1000' },
      ended: 1_700_000_000_000,
    });
  });

  it('is asked below the path of its address, as those of DagsHub have one for each repository', async () => {
    const [user, token] = ['anna', 'a-token'];
    const env = { MLFLOW_TRACKING_USERNAME: user, MLFLOW_TRACKING_PASSWORD: token };
    const address = `${fake.url}/anna/flowers.mlflow/`;
    const hub = new MlflowServer({ address, env, wait: async () => {} });
    const run = await getRun(hub, 'r1');
    await (await artifactsOf(run, hub)).download('model/a', join(folder, 'a'), record, signal);
    expect(fake.requests.map(({ path }) => path)).toEqual([
      '/anna/flowers.mlflow/api/2.0/mlflow/runs/get',
      '/anna/flowers.mlflow/api/2.0/mlflow-artifacts/artifacts/1/r1/artifacts/model/a',
    ]);
    for (const { headers } of fake.requests) expect(headers.authorization).toBe(`Basic ${btoa(`${user}:${token}`)}`);
  });
});

describe('credentials', () => {
  it.each([
    [
      'user and password before a token',
      { MLFLOW_TRACKING_USERNAME: 'u', MLFLOW_TRACKING_PASSWORD: CANARY, MLFLOW_TRACKING_TOKEN: 't' },
      `Basic ${btoa(`u:${CANARY}`)}`,
    ],
    ['a token', { MLFLOW_TRACKING_TOKEN: CANARY, MLFLOW_TRACKING_USERNAME: 'u' }, `Bearer ${CANARY}`],
    ['none', {}, undefined],
  ])('are %s', async (_, env, header) => {
    await getRun(server(env), 'r1');
    expect(fake.requests[0]?.headers.authorization).toBe(header);
  });

  it('are in no error, though the server repeats them, and go to no other server', async () => {
    const env = { MLFLOW_TRACKING_TOKEN: CANARY };
    fake.fail(/runs\/get/, (response, { headers }) =>
      answer(response, 403, { message: `no: ${headers.authorization}` }),
    );
    const error = await getRun(server(env), 'r1').catch((thrown) => thrown);
    expect(JSON.stringify([error.message, error.hint, error.issues, String(error.cause)])).not.toContain(CANARY);
    const other = await FakeServer.start((_, response) => answer(response, 200, { run: RUN }));
    fake.fail(/runs\/get/, FAULTS.redirect(`${other.url}/api/2.0/mlflow/runs/get`));
    await getRun(server(env), 'r1');
    await other.close();
    expect(other.requests.map(({ headers }) => headers.authorization)).toEqual([undefined]);
  });
});

describe('a server without aliases', () => {
  it('has the promoted version marked by a tag, which the one before loses', async () => {
    const tags: Record<string, string> = { '1': 'true', '2': '' };
    handler = ({ path, body }, response) => {
      if (path.endsWith('/alias')) return answer(response, 404, { message: 'no such endpoint' });
      if (path.endsWith('/registered-models/get')) return answer(response, 200, { registered_model: {} });
      if (path.endsWith('/set-tag')) {
        const { version, value } = JSON.parse(body.toString());
        tags[version] = value;
        return answer(response, 200, {});
      }
      const versions = Object.entries(tags).map(([version, value]) => ({
        name: 'm',
        version,
        tags: [{ key: 't2i.champion', value }],
      }));
      answer(response, 200, { model_versions: versions });
    };
    expect((await getChampion(server(), 'm'))?.version).toBe('1');
    expect(await setChampion(server(), 'm', '2')).toBe('tag');
    expect(tags).toEqual({ '1': 'false', '2': 'true' });
    expect((await getChampion(server(), 'm'))?.version).toBe('2');
  });

  it('is not one without the model', async () => {
    await expect(setChampion(server(), 'm', '2')).rejects.toMatchObject({ code: 'REMOTE_NOT_FOUND' });
  });
});

describe('the files of a run', () => {
  const fetch = async (run: MlflowRun) =>
    (await artifactsOf(run)).download('model/a b.bin', join(folder, 'x/a.bin'), record, signal);

  it('are whole where they lie, and taken up where the connection broke off', async () => {
    fake.fail(/mlflow-artifacts/, (response) => {
      response.writeHead(200, { 'content-length': BYTES.length });
      response.write(BYTES.subarray(0, 70_000), () => response.socket?.end());
    });
    await fetch(await theRun());
    expect(await readFile(join(folder, 'x/a.bin'))).toEqual(BYTES);
    const asked = fake.asked(/mlflow-artifacts/);
    expect(asked[0]?.path).toBe('/api/2.0/mlflow-artifacts/artifacts/1/r1/artifacts/model/a b.bin');
    expect(Number(/\d+/.exec(asked[1]?.headers.range ?? '')?.[0])).toBeGreaterThan(0);
  });

  it('begin anew where the server does not go on', async () => {
    await writeFile(join(folder, 'a.part'), 'wrong');
    fake.fail(/mlflow-artifacts/, FAULTS.bytes(BYTES));
    await (await artifactsOf(await theRun())).download('model/a', join(folder, 'a'), record, signal);
    expect(await readFile(join(folder, 'a'))).toEqual(BYTES);
  });

  it.each([
    ['other bytes', FAULTS.bytes(Buffer.alloc(BYTES.length)), 'DATA_INVALID'],
    ['too many', FAULTS.endless, 'REMOTE_REFUSED'],
  ])('with %s leave nothing behind', async (_, fault, code) => {
    const run = await theRun();
    fake.fail(/mlflow-artifacts/, fault, 9);
    await expect(fetch(run)).rejects.toMatchObject({ code });
    expect((await readdir(join(folder, 'x'))).filter((name) => name === 'a.bin')).toEqual([]);
  });

  it.each([
    ['gs://bucket/x', /are kept at gs:/],
    ['wasbs://container@account/x', /are kept at wasbs:/],
    ['file:///etc', /are kept at file:/],
    ['/tmp/mlruns', /are kept at a path/],
    ['mlflow-artifacts:/../x', /are kept at mlflow-artifacts:/],
    ['s3://bucket', /no address in S3: .* has no prefix/],
    ['s3://192.168.0.1/x', /no address in S3: "192.168.0.1" is no name of a bucket/],
    ['s3://bucket/../x', /no address in S3: expected a prefix/],
    ['S3://bucket/x', /no address in S3: expected s3:/],
  ])('that are kept at %s are refused, and S3 is not opened', async (artifacts, message) => {
    await expect(fetch({ ...(await theRun()), artifacts })).rejects.toMatchObject({
      code: 'REMOTE_REFUSED',
      message: expect.stringMatching(message),
      hint: expect.stringContaining('s3://BUCKET/PREFIX'),
    });
    expect(fake.asked(/artifacts/)).toEqual([]);
  });

  it('that are named as if they lay elsewhere are refused, and folders that never end', async () => {
    const artifacts = await artifactsOf(await theRun());
    for (const path of ['../x', '/etc/passwd', 'model/../../x', 'other/x']) {
      for (const is_dir of [false, true]) {
        handler = (_, response) => answer(response, 200, { files: [{ path, is_dir }] });
        await expect(artifacts.list('model', signal)).rejects.toMatchObject({ code: 'REMOTE_REFUSED' });
      }
      await expect(artifacts.read(path, 10, signal)).rejects.toMatchObject({ code: 'REMOTE_REFUSED' });
    }
    const folders = Array.from({ length: 200 }, (_, at) => ({ path: `model/${at}`, is_dir: true }));
    handler = (_, response) => answer(response, 200, { files: folders });
    await expect(artifacts.list('model', signal)).rejects.toMatchObject({
      message: expect.stringContaining('more than 10000 files'),
    });
  });

  it('that are read as text are not longer than they may be', async () => {
    const artifacts = await artifactsOf(await theRun());
    expect(await artifacts.read('model/a', BYTES.length, signal)).toBe(BYTES.toString());
    await expect(artifacts.read('model/a', BYTES.length - 1, signal)).rejects.toMatchObject({ code: 'REMOTE_REFUSED' });
  });
});
