import { describe, expect, it } from 'vitest';
import {
  createVersion,
  ensureModel,
  getChampion,
  listVersions,
  setChampion,
} from '../../../../src/ops/mlflow/registry.js';
import { Failure, type Question, TrackingServer } from './tracking.js';

const NAME = "Anna's Blumen & Käfer";
const GET = 'GET mlflow/registered-models/get';
const CREATE = 'POST mlflow/registered-models/create';
const SEARCH = 'GET mlflow/model-versions/search';
const SET_ALIAS = 'POST mlflow/registered-models/alias';
const GET_ALIAS = 'GET mlflow/registered-models/alias';
const SET_TAG = 'POST mlflow/model-versions/set-tag';

const tracking = new TrackingServer();
const client = () => tracking.client();
const callOf = ({ method, path }: Question) => `${method} ${path}`;
const calls = () => tracking.questions.map(callOf);
/** Answers by call; a list is for one call after another, the last for all that follow. What is not among them fails. */
const answering = (given: Readonly<Record<string, unknown>>) => {
  const lists = Object.entries(given).map(([call, answer]) => [call, [answer].flat()] as const);
  const left = new Map(lists);
  tracking.answers = (question) => {
    const answers = left.get(callOf(question)) ?? [new Failure(500, 'unforeseen')];
    return answers.length > 1 ? answers.shift() : answers[0];
  };
};
const version = (number: string, champion?: string) => ({
  name: NAME,
  version: number,
  run_id: `run ${number}`,
  tags: champion === undefined ? [] : [{ key: 't2i.champion', value: champion }],
});

describe('a registered model', () => {
  it('that exists is left as it is', async () => {
    answering({ [GET]: {} });
    await ensureModel(client(), NAME);
    expect(tracking.questions).toEqual([
      { method: 'GET', path: 'mlflow/registered-models/get', fields: { name: NAME } },
    ]);
  });

  it('that is missing is made', async () => {
    answering({ [GET]: new Failure(404), [CREATE]: {} });
    await ensureModel(client(), NAME);
    expect(calls()).toEqual([GET, CREATE]);
    expect(tracking.questions[1]?.fields).toEqual({ name: NAME });
  });

  it.each([new Failure(409), new Failure(400, 'RESOURCE_ALREADY_EXISTS: Registered Model (name=x) already exists.')])(
    'that another one made meanwhile is fine, as told by %o',
    async (failure) => {
      answering({ [GET]: new Failure(404), [CREATE]: failure });
      await ensureModel(client(), NAME);
    },
  );

  it.each([
    [new Failure(400, 'Invalid name'), 'REMOTE_REFUSED'],
    [new Failure(403), 'ACCESS_DENIED'],
    [new Failure(503), 'NETWORK_FAILED'],
  ])('that cannot be made is an error: %o', async (failure, code) => {
    answering({ [GET]: new Failure(404), [CREATE]: failure });
    await expect(ensureModel(client(), NAME)).rejects.toMatchObject({ code });
    expect(calls()).toEqual([GET, CREATE]);
  });

  it('that may not be seen is not made', async () => {
    answering({ [GET]: new Failure(403), [CREATE]: {} });
    await expect(ensureModel(client(), NAME)).rejects.toMatchObject({ code: 'ACCESS_DENIED' });
    expect(calls()).toEqual([GET]);
  });
});

describe('versions', () => {
  it('are those of the model, on all pages', async () => {
    answering({
      [SEARCH]: [
        { model_versions: [version('3'), { name: NAME, version: 2 }], next_page_token: 'b' },
        { model_versions: [version('1')] },
      ],
    });
    const found = await listVersions(client(), NAME);
    expect(found.map(({ version, runId }) => [version, runId])).toEqual([
      ['3', 'run 3'],
      ['2', ''],
      ['1', 'run 1'],
    ]);
    const fields = { filter: `name = "${NAME}"`, max_results: '200' };
    expect(tracking.questions.map(({ fields }) => fields)).toEqual([fields, { ...fields, page_token: 'b' }]);
  });

  it('may be none', async () => {
    expect(await listVersions(client(), NAME)).toEqual([]);
  });

  it('have numbers', async () => {
    answering({ [SEARCH]: { model_versions: [version('latest')] } });
    await expect(listVersions(client(), NAME)).rejects.toMatchObject({ code: 'REMOTE_REFUSED' });
  });

  it('are made of what a run logged, and never twice', async () => {
    const call = 'POST mlflow/model-versions/create';
    answering({ [call]: { model_version: { ...version('4'), source: 's3://b/x' } } });
    expect(await createVersion(client(), NAME, 's3://b/x', 'r1')).toMatchObject({ version: '4', source: 's3://b/x' });
    expect(tracking.questions[0]?.fields).toEqual({ name: NAME, source: 's3://b/x', run_id: 'r1' });
    answering({ [call]: new Failure(503) });
    await expect(createVersion(client(), NAME, 's3://b/x', 'r1')).rejects.toMatchObject({ code: 'NETWORK_FAILED' });
    expect(calls()).toEqual([call, call]);
  });
});

describe('the champion', () => {
  it('is marked by an alias, again where the server has trouble', async () => {
    answering({ [SET_ALIAS]: [new Failure(503), {}] });
    expect(await setChampion(client(), NAME, '2')).toBe('alias');
    expect(calls()).toEqual([SET_ALIAS, SET_ALIAS]);
    expect(tracking.questions[1]?.fields).toEqual({ name: NAME, alias: 'champion', version: '2' });
  });

  it('is what the alias says', async () => {
    answering({ [GET_ALIAS]: { model_version: version('2') } });
    expect(await getChampion(client(), NAME)).toEqual({
      name: NAME,
      version: '2',
      runId: 'run 2',
      source: '',
      tags: {},
    });
    expect(tracking.questions).toEqual([
      { method: 'GET', path: 'mlflow/registered-models/alias', fields: { name: NAME, alias: 'champion' } },
    ]);
  });

  it.each([404, 400])('is told by a tag where the server answers %d for the alias', async (status) => {
    const model_versions = [version('4'), version('3', 'false'), version('2', 'true'), version('1', 'true')];
    answering({ [GET_ALIAS]: new Failure(status), [SEARCH]: { model_versions } });
    expect(await getChampion(client(), NAME)).toMatchObject({ version: '2' });
  });

  it('is none where nothing says so', async () => {
    answering({ [GET_ALIAS]: new Failure(404), [SEARCH]: { model_versions: [version('1')] } });
    expect(await getChampion(client(), NAME)).toBeNull();
  });

  it.each([
    [403, 'ACCESS_DENIED'],
    [503, 'NETWORK_FAILED'],
  ])('is not known where the server answers %d', async (status, code) => {
    answering({ [GET_ALIAS]: new Failure(status), [SEARCH]: {} });
    await expect(getChampion(client(), NAME)).rejects.toMatchObject({ code });
    expect(calls()).not.toContain(SEARCH);
  });

  it('is not asked for any more where it was aborted', async () => {
    const stopped = tracking.client({}, AbortSignal.abort('enough'));
    await expect(getChampion(stopped, NAME)).rejects.toBe('enough');
    await expect(setChampion(stopped, NAME, '1')).rejects.toBe('enough');
    await expect(ensureModel(stopped, NAME)).rejects.toBe('enough');
    expect(tracking.questions).toEqual([]);
  });
});

describe('on a server without aliases, the champion', () => {
  const versions = {
    model_versions: [version('3', 'true'), version('2', 'true'), version('1', 'false'), version('0')],
  };

  it('gets its tag first, and only those that have it lose it', async () => {
    answering({ [SET_ALIAS]: new Failure(404), [GET]: {}, [SEARCH]: versions, [SET_TAG]: {} });
    expect(await setChampion(client(), NAME, '2')).toBe('tag');
    expect(calls()).toEqual([SET_ALIAS, GET, SEARCH, SET_TAG, SET_TAG]);
    expect(tracking.questions[1]?.fields).toEqual({ name: NAME });
    const tag = { name: NAME, key: 't2i.champion' };
    expect(tracking.questions.slice(3).map(({ fields }) => fields)).toEqual([
      { ...tag, version: '2', value: 'true' },
      { ...tag, version: '3', value: 'false' },
    ]);
  });

  it('gets it though the server has trouble for a moment', async () => {
    answering({ [SET_ALIAS]: new Failure(404), [GET]: {}, [SEARCH]: {}, [SET_TAG]: [new Failure(503), {}] });
    expect(await setChampion(client(), NAME, '2')).toBe('tag');
  });

  it('keeps it where the new one cannot get it', async () => {
    answering({ [SET_ALIAS]: new Failure(404), [GET]: {}, [SEARCH]: versions, [SET_TAG]: new Failure(404) });
    await expect(setChampion(client(), NAME, '9')).rejects.toMatchObject({ code: 'REMOTE_NOT_FOUND' });
    expect(tracking.questions.filter((question) => callOf(question) === SET_TAG)).toHaveLength(1);
  });
});

describe('where the champion cannot be marked', () => {
  it.each([
    ['it may not be', { [SET_ALIAS]: new Failure(403), [GET]: {} }, 'ACCESS_DENIED', [SET_ALIAS]],
    ['there is no such model', { [SET_ALIAS]: new Failure(404), [GET]: new Failure(404) }, 'REMOTE_NOT_FOUND'],
    ['nobody knows', { [SET_ALIAS]: new Failure(404), [GET]: new Failure(403) }, 'ACCESS_DENIED'],
  ])('because %s, nothing is changed', async (_, given, code, asked = [SET_ALIAS, GET]) => {
    answering({ ...given, [SEARCH]: {}, [SET_TAG]: {} });
    await expect(setChampion(client(), NAME, '1')).rejects.toMatchObject({ code });
    expect(calls()).toEqual(asked);
  });
});
