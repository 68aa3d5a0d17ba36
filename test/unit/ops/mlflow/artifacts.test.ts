import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Artifacts } from '../../../../src/ops/mlflow/artifacts.js';
import type { MlflowRun } from '../../../../src/ops/mlflow/runs.js';
import { answer, type Fault } from '../../../support/fake-server.js';
import { TrackingServer } from './tracking.js';

const { signal } = new AbortController();
const RUN = { id: 'r1', name: 'first', artifacts: 'mlflow-artifacts:/1/r1/artifacts' } as MlflowRun;
const noS3 = async () => {
  throw new Error('S3 is opened');
};
const WEIGHTS = Buffer.from('0123456789'.repeat(10));
const RECORD = { bytes: WEIGHTS.length, sha256: createHash('sha256').update(WEIGHTS).digest('hex') };

const tracking = new TrackingServer();
const of = (artifacts = RUN.artifacts) => Artifacts.of(tracking.client(), { ...RUN, artifacts }, noS3);
const files = (...list: readonly object[]) => {
  tracking.answers = () => ({ files: list });
};
/** Sends a file as it is, or what of it is asked for. */
const sends =
  (bytes: Buffer): Fault =>
  (response, { headers }) => {
    const start = Number(/^bytes=(\d+)-$/.exec(headers.range ?? '')?.[1] ?? 0);
    answer(response, start > 0 ? 206 : 200, bytes.subarray(start));
  };

describe('the files of a run are listed', () => {
  it('with those of all folders in the folder, and without the folders', async () => {
    const folders: Record<string, object[]> = {
      model: [
        { path: 'model/run.json', file_size: '2' },
        { path: 'model/best', is_dir: true },
      ],
      'model/best': [{ path: 'model/best/unet', is_dir: true }, { path: 'model/best/index.json' }],
      'model/best/unet': [{ path: 'model/best/unet/weights.bin', is_dir: false, file_size: 100 }],
    };
    tracking.answers = ({ fields: { path } }) => ({ files: folders[path as string] });
    expect(await (await of()).list('model', signal)).toEqual([
      { path: 'model/run.json', bytes: 2 },
      { path: 'model/best/index.json', bytes: 0 },
      { path: 'model/best/unet/weights.bin', bytes: 100 },
    ]);
    expect(tracking.questions).toEqual(
      Object.keys(folders).map((path) => ({
        method: 'GET',
        path: 'mlflow/artifacts/list',
        fields: { run_id: 'r1', path },
      })),
    );
  });

  it('on all pages of a folder', async () => {
    tracking.answers = ({ fields: { page_token } }) =>
      page_token === undefined
        ? { files: [{ path: 'model/a' }], next_page_token: 'b' }
        : { files: [{ path: 'model/b' }] };
    expect((await (await of()).list('model', signal)).map(({ path }) => path)).toEqual(['model/a', 'model/b']);
    expect(tracking.questions.map(({ fields }) => fields.page_token)).toEqual([undefined, 'b']);
  });

  it('of a run without any', async () => {
    expect(await (await of()).list('model', signal)).toEqual([]);
  });

  it('until they are not wanted any more', async () => {
    const stop = new AbortController();
    tracking.fake.fail(/list/, () => stop.abort('enough'));
    await expect((await of()).list('model', stop.signal)).rejects.toBe('enough');
  });

  it('up to ten thousand names, folders among them', async () => {
    const names = Array.from({ length: 9999 }, (_, at) => ({ path: `model/${at}` }));
    const folder = { path: 'model/x', is_dir: true };
    tracking.answers = ({ fields: { path } }) => ({ files: path === 'model' ? [...names, folder] : [] });
    const artifacts = await of();
    expect(await artifacts.list('model', signal)).toHaveLength(9999);
    files(...names, folder, folder);
    await expect(artifacts.list('model', signal)).rejects.toMatchObject({
      code: 'REMOTE_REFUSED',
      message: expect.stringContaining('more than 10000 files in the run first'),
      hint: expect.any(String),
    });
  });

  it.each(['model', 'modelled/x', 'other/model/x'])('and not where they lie elsewhere: %s', async (path) => {
    files({ path });
    await expect((await of()).list('model', signal)).rejects.toMatchObject({
      code: 'REMOTE_REFUSED',
      message: expect.stringContaining(JSON.stringify(path)),
    });
  });
});

describe('a file of a run', () => {
  it.each(['model/a b.bin', 'model/ä+%20#?&.bin', "model/it's", 'model/.hidden/..a', `model/${'é'.repeat(494)}`])(
    'may be called %s',
    async (path) => {
      files({ path });
      const artifacts = await of();
      expect(await artifacts.list('model', signal)).toEqual([{ path, bytes: 0 }]);
      tracking.fake.fail(/mlflow-artifacts/, sends(Buffer.from('tëxt')));
      expect(await artifacts.read(path, 5, signal)).toBe('tëxt');
      const address = `/api/2.0/mlflow-artifacts/artifacts/1/r1/artifacts/${path}`;
      expect(tracking.fake.requests.map(({ path }) => path)).toContain(address);
    },
  );

  it.each([
    '',
    '/model/x',
    'model/..',
    'model/../x',
    'model/./x',
    'model\\..\\x',
    'model/\0',
    'model/\n/../../x',
    'model/\u2028/../../x',
    // Half of a character, which no address can hold.
    'model/\ud800',
    `model/${'x'.repeat(495)}`,
  ])('may not be called %j, and is not asked for', async (path) => {
    files({ path });
    const artifacts = await of();
    const refused = { code: 'REMOTE_REFUSED', message: expect.stringContaining(JSON.stringify(path)) };
    await expect(artifacts.list('model', signal)).rejects.toMatchObject(refused);
    await expect(artifacts.read(path, 5, signal)).rejects.toMatchObject(refused);
    expect(tracking.questions).toHaveLength(1);
  });

  it('that is read has at most as many bytes as it may', async () => {
    const artifacts = await of();
    tracking.fake.fail(/mlflow-artifacts/, sends(WEIGHTS), 2);
    expect(await artifacts.read('model/a', 100, signal)).toBe(WEIGHTS.toString());
    await expect(artifacts.read('model/a', 99, signal)).rejects.toMatchObject({ code: 'REMOTE_REFUSED' });
  });
});

describe('a file of a run that is fetched', () => {
  let folder: string;
  let to: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 't2i-artifacts-'));
    to = join(folder, 'a');
  });
  afterEach(() => rmSync(folder, { recursive: true }));
  const download = async (fault: Fault) => {
    tracking.fake.fail(/mlflow-artifacts/, fault, 9);
    await (await of()).download('model/a', to, RECORD, signal);
  };
  const ranges = () => tracking.fake.requests.map(({ headers }) => headers.range);

  it('goes on where an earlier try broke off', async () => {
    writeFileSync(`${to}.part`, WEIGHTS.subarray(0, 40));
    await download(sends(WEIGHTS));
    expect(readFileSync(to).equals(WEIGHTS)).toBe(true);
    expect(ranges()).toEqual(['bytes=40-']);
    expect(readdirSync(folder)).toEqual(['a']);
  });

  it('begins again where the server sends all of it', async () => {
    writeFileSync(`${to}.part`, WEIGHTS.subarray(0, 40));
    await download((response) => answer(response, 200, WEIGHTS));
    expect(readFileSync(to).equals(WEIGHTS)).toBe(true);
  });

  it('is not asked for where it is there already', async () => {
    writeFileSync(`${to}.part`, WEIGHTS);
    await download(sends(WEIGHTS));
    expect(ranges()).toEqual([]);
    expect(readdirSync(folder)).toEqual(['a']);
  });

  it.each([
    ['other bytes', Buffer.alloc(100, 'x'), 'DATA_INVALID'],
    ['too few', WEIGHTS.subarray(0, 99), 'DATA_INVALID'],
    ['too many', Buffer.concat([WEIGHTS, WEIGHTS]), 'REMOTE_REFUSED'],
  ])('with %s is not put in place', async (_, bytes, code) => {
    const expected = { code, hint: expect.any(String) };
    await expect(download((response) => answer(response, 200, bytes))).rejects.toMatchObject(expected);
    expect(existsSync(to)).toBe(false);
  });

  it('with other bytes is fetched anew the next time, and the error tells what came', async () => {
    await expect(download(sends(Buffer.alloc(100, 'x')))).rejects.toMatchObject({
      message: expect.stringContaining('model/a of the run first'),
      hint: expect.stringContaining(`100 bytes with SHA-256 ${RECORD.sha256}`),
    });
    expect(readdirSync(folder)).toEqual([]);
    tracking.fake.stopFailing();
    await download(sends(WEIGHTS));
    expect(ranges()).toEqual([undefined, undefined]);
  });

  it('is held to what it may have, also where it goes on', async () => {
    writeFileSync(`${to}.part`, WEIGHTS.subarray(0, 40));
    const rest = (length: number) => (response: Parameters<Fault>[0]) => answer(response, 206, Buffer.alloc(length));
    await expect(download(rest(61))).rejects.toMatchObject({ code: 'REMOTE_REFUSED' });
  });
});

describe('the files of a run are asked for', () => {
  it.each([
    'mlflow-artifacts:/1/r1/artifacts',
    'mlflow-artifacts:///1/r1/artifacts',
    'mlflow-artifacts://localhost:5000/1/r1/artifacts',
  ])('where they are kept at %s', async (artifacts) => {
    tracking.fake.fail(/mlflow-artifacts/, sends(WEIGHTS));
    await (await of(artifacts)).read('a', 100, signal);
    expect(tracking.fake.requests[0]?.path).toBe('/api/2.0/mlflow-artifacts/artifacts/1/r1/artifacts/a');
  });

  it.each([
    ['gs://b/mlflow-artifacts:/x', 'gs:'],
    ['WASBS+x.y-1://b/x', 'WASBS+x.y-1:'],
    ['/tmp/a:b', 'a path'],
    ['', 'a path'],
    ['mlflow-artifacts:/', 'mlflow-artifacts:'],
    ['mlflow-artifacts:1/r1', 'mlflow-artifacts:'],
    ['mlflow-artifacts://host', 'mlflow-artifacts:'],
    ['mlflow-artifacts:/1/../2', 'mlflow-artifacts:'],
    ['mlflow-artifacts:/1\n/../2', 'mlflow-artifacts:'],
  ])('and not where they are kept at %j', async (artifacts, place) => {
    await expect(of(artifacts)).rejects.toMatchObject({
      code: 'REMOTE_REFUSED',
      message: `The files of the run first are kept at ${place}, where they cannot be read`,
      hint: expect.stringContaining('--artifacts-destination'),
    });
    expect(tracking.questions).toEqual([]);
  });
});
