import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { CloudWatchLogsClient } from '@aws-sdk/client-cloudwatch-logs';
import { SageMakerClient } from '@aws-sdk/client-sagemaker';
import { describe, expect, it, vi } from 'vitest';
import { Interrupted } from '../../../src/cli/io.js';
import { main } from '../../../src/cli/main.js';
import type { CourseOptions } from '../../../src/ops/sagemaker/local/course.js';
import { LocalSageMaker } from '../../../src/ops/sagemaker/local/server.js';
import { fakeIo } from '../../support/fake-io.js';
import { awsLike } from '../../support/offline-sagemaker.js';
import { addDone, at, ENV, freshCloud, job, RESULT, report, t2i, train } from './offline-cloud.js';

freshCloud();

describe('t2i jobs', () => {
  const NAME = 't2i-run-1-0123456789ab';

  it('lists those of this package, the newest first, as many as are asked for', async () => {
    expect(await t2i(['jobs'])).toMatchObject({ code: 0, out: '', err: 'note: no jobs whose names begin with t2i-\n' });
    expect((await t2i(['jobs', '--json'])).out).toBe('[]\n');
    for (let number = 0; number < 22; number++)
      at.service.add(`t2i-run-${number}`, { CreationTime: new Date(Date.now() - 90_000) });
    at.service.add('t2i-new');
    const { out } = await t2i(['jobs']);
    expect(out.split('\n').slice(0, 3)).toEqual([
      'job         status      age',
      't2i-new     InProgress',
      't2i-run-21  InProgress  1 min',
    ]);
    expect(out.trimEnd().split('\n')).toHaveLength(21);
    at.service.end('t2i-new', 'Stopped');
    at.service.add('t2i-new', { ...at.service.jobs.get('t2i-new'), TrainingEndTime: new Date(0) });
    const told = (await t2i(['jobs', 'list', '--count', '2', '--json'])).json();
    expect(told).toEqual([
      { name: 't2i-new', status: 'Stopped', created: null, ended: '1970-01-01T00:00:00.000Z' },
      { name: 't2i-run-21', status: 'InProgress', created: expect.stringMatching(/^\d{4}-/), ended: null },
    ]);
  });

  it('tells where one is', async () => {
    await addDone(NAME, { EnableManagedSpotTraining: true });
    const { code, json } = await t2i(['jobs', 'status', NAME, '--json']);
    expect([code, json()]).toEqual([0, expect.objectContaining({ name: NAME, run: 'run_1', spot: true })]);
    expect((await t2i(['jobs', 'status', NAME])).out).toMatch(/^saved percent +60$/m);
    expect((await t2i(['jobs', 'status', 'none'])).code).toBe(5);
  });

  it('shows its log so far, or as JSON', async () => {
    at.service.add(NAME);
    at.logs.set(`${NAME}/algo-1-1`, ['step=1', 'a \u001b[2J line']);
    expect(await t2i(['jobs', 'logs', NAME])).toMatchObject({
      ...{ code: 0, out: 'algo-1 | step=1\nalgo-1 | a \\u{1b}[2J line\n', err: '' },
    });
    const { out } = await t2i(['jobs', 'logs', NAME, '--json']);
    expect(JSON.parse(out.split('\n')[0] as string)).toEqual({ host: 'algo-1', time: 0, text: 'step=1' });
    expect(at.waits).toEqual([]);
    expect((await t2i(['jobs', 'logs', 'none'])).code).toBe(5);
  });

  it('follows one with its stages, its progress and the warnings of its first host', async () => {
    const event = (name: string, fields: object) => JSON.stringify({ event: name, ...fields });
    const progress = { what: 'training', done: 1, total: 2, unit: 'steps', rate: 0, left: null, figures: {} };
    const said = [event('warning', { message: 'few captions' }), event('progress', progress)];
    const stages: object[] = [
      { SecondaryStatus: 'Training' },
      { SecondaryStatus: 'Training', SecondaryStatusTransitions: [{ Status: 'Interrupted' }] },
    ];
    at.service.add(NAME, { SecondaryStatus: 'Starting' });
    at.logs.set(`${NAME}/algo-1-1`, [...said, event('result', { value: 1 })]);
    at.logs.set(`${NAME}/algo-2-1`, [
      ...said.map((line) => line.replace('few', 'no').replace('training', 'waiting')),
      'plain',
    ]);
    at.meanwhile = () => {
      const next = stages.shift();
      if (next) at.service.add(NAME, next);
      else void at.service.end(NAME, 'Completed');
    };
    const { code, err, json } = await t2i(['jobs', 'logs', NAME, '--follow', '--json'], { terminal: true });
    expect([code, json()]).toEqual([0, expect.objectContaining({ name: NAME, status: 'Completed' })]);
    const lines = err
      .replaceAll('\u001b[K', '\n')
      .split(/[\r\n]+/)
      .map((line) => line.replace(/.*(note|warning):\S*/, '$1:'))
      .filter((line) => line !== '');
    expect(lines).toEqual([
      `note: ${NAME}: Starting`,
      'warning: few captions',
      'training 1/2 steps',
      'algo-2 | plain',
      `note: ${NAME}: Training`,
      `note: ${NAME}: Training, interrupted 1 times so far`,
    ]);
    expect(existsSync(join(at.project, 'runs'))).toBe(false);
  });

  it('asks again where the service is busy, and says so', async () => {
    at.service.add(NAME);
    at.service.instead.DescribeTrainingJob = [
      () => at.service.jobs.get(NAME),
      () => {
        throw awsLike('ThrottlingException', 'Rate exceeded');
      },
    ];
    at.meanwhile = () => at.service.end(NAME, 'Completed');
    const { code, err } = await t2i(['jobs', 'logs', NAME, '--follow']);
    expect([code, err]).toEqual([0, expect.stringMatching(/^warning: .*trying again\n$/)]);
  });

  it.each([
    ['http://127.0.0.1:5001', 300],
    ['http://localhost:5001/', 300],
    ['http://localhost', 300],
    ['https://127.0.0.1', 10_000],
  ])('looks as often as a service takes it: %s', async (AWS_ENDPOINT_URL_SAGEMAKER, wait) => {
    at.service.add(NAME);
    at.meanwhile = () => at.service.end(NAME, 'Completed');
    await t2i(['jobs', 'logs', NAME, '--follow'], { env: { AWS_ENDPOINT_URL_SAGEMAKER } });
    expect(at.waits).toEqual([wait]);
  });

  it.each([[[]], [['--json']]])('are taken by a service of their own until it is ended, %j', async (argv) => {
    const end = new AbortController();
    const { signal } = end;
    let told: Promise<unknown> | undefined;
    const onErr = (text: string) => {
      const [, url] = /AWS_ENDPOINT_URL_SAGEMAKER=(\S+)/.exec(text) ?? [];
      if (url === undefined) return;
      told = fetch(url, {
        method: 'POST',
        headers: { 'x-amz-target': 'SageMaker.ListTrainingJobs', authorization: 'AWS4' },
        body: '{}',
      })
        .then((answer) => answer.json())
        .finally(() => end.abort(new Interrupted('SIGTERM')));
    };
    const io = fakeIo({ cwd: at.project, env: { ...ENV }, signal, onErr });
    expect(await main(['jobs', 'serve', '--python', process.execPath, ...argv], io)).toBe(143);
    expect(await told).toMatchObject({ TrainingJobSummaries: [] });
    const [, url = ''] = /=(\S+) sends/.exec(io.err()) ?? [];
    expect(io.out()).toBe(argv.length > 0 ? `{"url":"${url}"}\n` : `${url}\n`);
    await expect(fetch(url)).rejects.toThrow();
  });

  it('run there with the keys and the address of the command alone, and a port of their own each', async () => {
    const start = vi.spyOn(LocalSageMaker, 'start').mockRejectedValue(new Error('enough'));
    const AWS_ENDPOINT_URL = 'http://127.0.0.1:5000';
    const given = { PATH: '/usr/bin', HOME: '/home/me', AWS_SESSION_TOKEN: 'a token', OTHER: 'x', AWS_ENDPOINT_URL };
    await t2i(['jobs', 'serve', '--python', '/opt/python/bin/python3'], { env: given });
    await t2i(['jobs', 'serve', '--python', '/opt/python/bin/python3']);
    const [[options], [plain]] = start.mock.calls as unknown as [[CourseOptions], [CourseOptions]];
    const { OTHER: _, AWS_ENDPOINT_URL_SAGEMAKER: __, ...keys } = { ...ENV, ...given };
    expect(options.env).toEqual({
      ...{ ...keys, PATH: '/opt/python/bin:/usr/bin', AWS_DEFAULT_REGION: 'eu-west-1' },
      ...{ LANG: 'C.UTF-8', OMP_NUM_THREADS: expect.stringMatching(/^[1-9]\d*$/) },
    });
    expect(Number(options.env.OMP_NUM_THREADS)).toBeLessThanOrEqual(availableParallelism());
    expect(plain.env).toMatchObject({ PATH: `/opt/python/bin:${process.env.PATH}`, HOME: tmpdir() });
    expect(Object.keys(plain.env)).not.toContain('AWS_SESSION_TOKEN');
    expect(Object.keys(plain.env)).not.toContain('AWS_ENDPOINT_URL');
    expect(await options.port()).not.toBe(await options.port());
  });

  it('says that a port is taken, and leaves nothing', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const temporary = mkdtempSync(join(at.project, 'tmp-'));
    vi.stubEnv('TMPDIR', temporary);
    const { code, out, err } = await t2i(['jobs', 'serve', '--port', `${port}`, '--python', process.execPath]);
    vi.unstubAllEnvs();
    server.close();
    expect([code, out, err]).toEqual([
      1,
      '',
      expect.stringMatching(new RegExp(`^error: Cannot listen on .*:${port}: .*\n.*--port`)),
    ]);
    expect(readdirSync(temporary)).toEqual([]);
  });

  it('that ends badly while it is followed, or was before, is an error', async () => {
    at.service.add(NAME, { TrainingJobStatus: 'Stopped' });
    for (const argv of [
      ['logs', NAME, '--follow'],
      ['fetch', NAME],
    ]) {
      const { code, err } = await t2i(['jobs', ...argv]);
      expect([code, err]).toEqual([1, expect.stringContaining(`The training job ${NAME} was stopped`)]);
    }
    expect(existsSync(join(at.project, 'reports'))).toBe(false);
  });

  it('fetches what one made', async () => {
    await addDone(NAME);
    const { code, json } = await t2i(['jobs', 'fetch', NAME, '--json']);
    expect([code, json()]).toEqual([0, expect.objectContaining({ ...RESULT, job: NAME, billable_seconds: 40 })]);
    expect(report()).toEqual(RESULT);
    expect(existsSync(join(at.project, 'runs/run_1/run.json'))).toBe(true);
  });

  it('stops one that runs, and says of one that has ended that there is nothing to stop', async () => {
    at.service.add(NAME);
    const stopped = await t2i(['jobs', 'stop', NAME, '--json']);
    expect([stopped.code, stopped.err, stopped.json().status]).toEqual([0, '', 'Stopping']);
    at.service.end(NAME, 'Completed');
    const ended = await t2i(['jobs', 'stop', NAME, '--json']);
    expect([ended.code, ended.json().status]).toEqual([0, 'Completed']);
    expect(ended.err).toBe(`note: ${NAME} has ended already\n`);
    expect(at.service.sent.filter(({ name }) => name === 'StopTrainingJob')).toHaveLength(1);
  });

  it('goes on with one that was stopped, on as many machines as are asked for', async () => {
    await train('--detach');
    const name = job();
    const before = at.service.jobs.get(name)?.ResourceConfig?.InstanceCount;
    at.service.end(name, 'Stopped');
    const again = await t2i(['jobs', 'resume', name, '--json']);
    expect([again.code, again.json()]).toEqual([
      0,
      { job: undefined, name: expect.stringContaining(name), created: true },
    ]);
    const resumed = at.service.jobs.get(again.json().name);
    expect(resumed?.ResourceConfig?.InstanceCount).toBe(before);
    at.service.end(again.json().name, 'Failed');
    const more = await t2i(['jobs', 'resume', name, '--instance-count', '2', '--json']);
    expect(at.service.jobs.get(more.json().name)?.ResourceConfig?.InstanceCount).toBe(2);
    const running = await t2i(['jobs', 'resume', name]);
    expect([running.code, running.err]).toEqual([5, expect.stringContaining('there is nothing to resume')]);
  });

  it.each([
    [['walk'], /unknown action "walk"/],
    [['status'], /name: expected a job with status; t2i jobs lists them, received nothing/],
    [['list', 'x'], /name: expected nothing with list, received "x"/],
    [['serve', 'x'], /name: expected nothing with serve/],
    [['--port', '3'], /--port: expected nothing with list/],
    [['logs', 'x', '--count', '3'], /--count: expected nothing with logs/],
    [['status', 'x', '--follow'], /--follow: expected nothing with status/],
    [['fetch', 'x', '--python', 'p'], /--python: expected nothing with fetch/],
    [['stop', 'x', '--instance-count', '2'], /--instance-count: expected nothing with stop/],
    [['resume', 'x', '--instance-count', '0'], /--instance-count: expected an integer from 1 to 100, received 0/],
    [['--count', '0'], /--count: expected an integer from 1 to 10000, received 0/],
    [['serve', '--port', '65536'], /--port: expected an integer from 0 to 65535, received 65536/],
  ])('refuses %j before anything is asked of AWS', async (argv, words) => {
    const { code, out, err } = await t2i(['jobs', ...argv]);
    expect([code, out, err]).toEqual([2, '', expect.stringMatching(words)]);
    expect(at.service.sent).toEqual([]);
  });

  it('lets go of its connections, however it ends', async () => {
    const closed = vi.spyOn(SageMakerClient.prototype, 'destroy');
    const closedLogs = vi.spyOn(CloudWatchLogsClient.prototype, 'destroy');
    await t2i(['jobs', 'logs', 'none']);
    expect(closed).toHaveBeenCalledTimes(1);
    at.service.add(NAME, { TrainingJobStatus: 'Completed' });
    await t2i(['jobs', 'logs', NAME]);
    await t2i(['jobs', 'logs', NAME, '--follow']);
    expect([closed.mock.calls.length, closedLogs.mock.calls.length]).toEqual([3, 2]);
  });
});
