import { CloudWatchLogsClient } from '@aws-sdk/client-cloudwatch-logs';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { CloudWatchSource, LogFollower, type LogLine, type LogSource } from '../../../../src/ops/sagemaker/logs.js';
import { CANARIES } from '../../../support/moto.js';
import { awsLike } from '../../../support/offline-sagemaker.js';
import { OFFLINE } from '../../../support/offline-store.js';

const { signal } = new AbortController();
const GROUP = '/aws/sagemaker/TrainingJobs';

describe('the log of a job in CloudWatch', () => {
  let source: CloudWatchSource;
  let sent: { name: string; input: Record<string, unknown>; signal: unknown }[];
  let answers: (() => unknown)[];

  beforeEach(async () => {
    [sent, answers] = [[], []];
    const send = async (command: { input: Record<string, unknown> }, options: { abortSignal: AbortSignal }) => {
      sent.push({ name: command.constructor.name, input: command.input, signal: options?.abortSignal });
      return answers.shift()?.();
    };
    vi.spyOn(CloudWatchLogsClient.prototype, 'send').mockImplementation(send as never);
    source = await CloudWatchSource.open('t2i-one', OFFLINE);
  });
  afterEach(() => {
    source.close();
    vi.restoreAllMocks();
  });
  const failing =
    (name: string, message = '') =>
    () => {
      throw awsLike(name, message);
    };

  it("has the job's streams of all pages, in order", async () => {
    answers = [
      () => ({ logStreams: [{ logStreamName: 't2i-one/algo-2-1' }, {}], nextToken: 'more' }),
      () => ({ nextToken: 'last' }),
      () => ({ logStreams: [{ logStreamName: 't2i-one/algo-1-1' }] }),
    ];
    expect(await source.streams(signal)).toEqual(['t2i-one/algo-1-1', 't2i-one/algo-2-1']);
    const input = { logGroupName: GROUP, logStreamNamePrefix: 't2i-one/' };
    expect(sent).toEqual(
      [undefined, 'more', 'last'].map((nextToken) => ({
        ...{ name: 'DescribeLogStreamsCommand', input: { ...input, nextToken }, signal },
      })),
    );
  });

  it('has none before its group is there', async () => {
    answers = [failing('ResourceNotFoundException')];
    expect(await source.streams(signal)).toEqual([]);
  });

  it.each([
    ['ThrottlingException', 'NETWORK_FAILED'],
    ['AccessDeniedException', 'ACCESS_DENIED'],
  ])('that cannot be looked at is told: %s', async (name, code) => {
    answers = [failing(name, `no ${CANARIES[1]}`), failing(name), failing('SomeException', `no ${CANARIES[1]}`)];
    await expect(source.streams(signal)).rejects.toMatchObject({ code, message: expect.stringContaining('t2i-one') });
    await expect(source.read('t2i-one/algo-1-1', undefined, signal)).rejects.toMatchObject({ code });
    await expect(source.streams(signal)).rejects.not.toThrow(CANARIES[1]);
  });

  it("ends with the signal's reason", async () => {
    answers = [failing('AbortError'), failing('AbortError')];
    const aborted = AbortSignal.abort('interrupted');
    await expect(source.streams(aborted)).rejects.toBe('interrupted');
    await expect(source.read('t2i-one/algo-1-1', undefined, aborted)).rejects.toBe('interrupted');
  });

  it('is read from its start, then from where it was read to', async () => {
    answers = [
      () => ({ events: [{ timestamp: 5, message: 'one' }, {}], nextForwardToken: 'f/1' }),
      () => ({ nextForwardToken: 'f/1' }),
    ];
    expect(await source.read('t2i-one/algo-1-1', undefined, signal)).toEqual({
      lines: [
        { time: 5, text: 'one' },
        { time: 0, text: '' },
      ],
      token: 'f/1',
    });
    expect(await source.read('t2i-one/algo-1-1', 'f/1', signal)).toEqual({ lines: [], token: 'f/1' });
    const input = { logGroupName: GROUP, logStreamName: 't2i-one/algo-1-1', startFromHead: true };
    expect(sent).toEqual(
      [undefined, 'f/1'].map((nextToken) => ({ name: 'GetLogEventsCommand', input: { ...input, nextToken }, signal })),
    );
  });

  it('is not told again where the service forgets how far it was read', async () => {
    const lines: string[] = [];
    const follower = new LogFollower(source, ({ text }) => lines.push(text));
    const streams = () => ({ logStreams: [{ logStreamName: 't2i-one/algo-1-1' }] });
    answers = [
      streams,
      () => ({ events: [{ message: 'one' }], nextForwardToken: 'f/1' }),
      () => ({ events: [{ message: 'two' }] }),
      ...[streams, () => ({})],
    ];
    await follower.poll(signal);
    await follower.poll(signal);
    expect(lines).toEqual(['one', 'two']);
    expect(sent.at(-1)?.input.nextToken).toBe('f/1');
  });

  it('is let go of at the end', () => {
    const destroyed = vi.spyOn(CloudWatchLogsClient.prototype, 'destroy');
    source.close();
    expect(destroyed).toHaveBeenCalledTimes(1);
  });
});

describe('what is new in the log of a job', () => {
  const told = async (streams: Record<string, (number | 'broken')[]>) => {
    const source: LogSource = {
      streams: async () => Object.keys(streams),
      read: async (stream, token) => {
        const [time, ...rest] = streams[stream] ?? [];
        if (time === undefined) return { lines: [], token };
        streams[stream] = rest;
        if (time === 'broken') throw new Error('away');
        return { lines: [{ time, text: `at ${time}` }], token: `${time}` };
      },
    };
    const lines: LogLine[] = [];
    const follower = new LogFollower(source, (line) => lines.push(line));
    return { lines, poll: () => follower.poll(signal) };
  };

  it('comes in the order of its times, with the host', async () => {
    const { lines, poll } = await told({ 'j/algo-10-1': [2, 7], 'j/algo-1-9': [9, 11], 'j/other': [1] });
    await poll();
    expect(lines).toEqual([
      { host: 'algo-1', time: 1, text: 'at 1' },
      { host: 'algo-10', time: 2, text: 'at 2' },
      { host: 'algo-10', time: 7, text: 'at 7' },
      { host: 'algo-1', time: 9, text: 'at 9' },
      { host: 'algo-1', time: 11, text: 'at 11' },
    ]);
  });

  it('is told once, also where reading it failed between', async () => {
    const { lines, poll } = await told({ 'j/algo-1-1': [4, 'broken', 5], 'j/algo-2-1': [3] });
    await expect(poll()).rejects.toThrow('away');
    await poll();
    await poll();
    expect(lines.map(({ time }) => time)).toEqual([4, 3, 5]);
  });
});
