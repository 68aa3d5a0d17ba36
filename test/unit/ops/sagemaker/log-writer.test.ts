import { setImmediate as turn } from 'node:timers/promises';
import type { CloudWatchLogsClient } from '@aws-sdk/client-cloudwatch-logs';
import { describe, expect, it, vi } from 'vitest';
import { LogWriter } from '../../../../src/ops/sagemaker/local/log-writer.js';
import { awsLike } from '../../../support/offline-sagemaker.js';

interface Input {
  readonly logGroupName?: string;
  readonly logStreamName?: string;
  readonly logEvents?: readonly { readonly timestamp: number; readonly message: string }[];
}

/** A log that is written to CloudWatch in memory. */
function logOf(linesOfStream: number, refuse: Record<string, string> = {}) {
  const sent: { name: string; input: Input }[] = [];
  const send = async (command: { input: Input }) => {
    const name = command.constructor.name.replace('Command', '');
    sent.push({ name, input: command.input });
    await turn();
    if (refuse[name]) throw awsLike(refuse[name], 'refused');
  };
  const writer = new LogWriter({ send } as unknown as CloudWatchLogsClient, 'job/algo-1', linesOfStream);
  const written = () =>
    sent
      .filter(({ name }) => name === 'PutLogEvents')
      .map(({ input: { logStreamName, logEvents = [] } }) => ({
        logStreamName,
        lines: logEvents.map(({ message }) => message),
      }));
  const streams = () => sent.filter(({ name }) => name === 'CreateLogStream').map(({ input }) => input.logStreamName);
  return { sent, writer, written, streams };
}

describe('the log of a host', () => {
  it('is written to one stream of the group, in the order of its lines', async () => {
    const { sent, writer, written, streams } = logOf(0);
    const before = Date.now();
    for (const line of ['one', '', 'three']) writer.write(line);
    await writer.close();
    writer.write('four');
    await writer.close();
    const logGroupName = '/aws/sagemaker/TrainingJobs';
    expect(sent.map(({ name }) => name)).toEqual(['CreateLogGroup', 'CreateLogStream', 'PutLogEvents', 'PutLogEvents']);
    for (const { input } of sent) expect(input).toMatchObject({ logGroupName });
    expect(streams()).toEqual([expect.stringMatching(/^job\/algo-1-\d+$/)]);
    // CloudWatch takes no empty line.
    expect(written()).toEqual([
      { logStreamName: streams()[0], lines: ['one', ' ', 'three'] },
      { logStreamName: streams()[0], lines: ['four'] },
    ]);
    for (const { timestamp } of sent.at(-1)?.input.logEvents ?? []) {
      expect(timestamp).toBeGreaterThanOrEqual(before);
      expect(timestamp).toBeLessThanOrEqual(Date.now());
    }
  });

  it('takes lines while others are written', async () => {
    const { writer, written } = logOf(0);
    writer.write('one');
    while (written().length === 0) await turn();
    for (const line of ['two', 'three']) writer.write(line);
    await writer.close();
    expect(written().flatMap(({ lines }) => lines)).toEqual(['one', 'two', 'three']);
  });

  it('is written a thousand lines at once, and long lines are cut', async () => {
    const { writer, written } = logOf(0);
    for (let at = 0; at < 1001; at++) writer.write('x'.repeat(at === 1000 ? 100_001 : 1));
    await writer.close();
    expect(written().map(({ lines }) => lines.length)).toEqual([1000, 1]);
    expect(written()[1]?.lines[0]).toHaveLength(100_000);
  });

  it('begins another stream where one is to be full', async () => {
    const { writer, written, streams } = logOf(2);
    for (const line of ['1', '2', '3']) writer.write(line);
    await writer.close();
    for (const line of ['4', '5']) writer.write(line);
    await writer.close();
    expect(new Set(streams()).size).toBe(3);
    expect(written()).toEqual([
      { logStreamName: streams()[0], lines: ['1', '2'] },
      { logStreamName: streams()[1], lines: ['3'] },
      { logStreamName: streams()[1], lines: ['4'] },
      { logStreamName: streams()[2], lines: ['5'] },
    ]);
  });

  it('goes into a group and a stream that are there already', async () => {
    const there = 'ResourceAlreadyExistsException';
    const { writer, written } = logOf(0, { CreateLogGroup: there, CreateLogStream: there });
    writer.write('one');
    await writer.close();
    expect(written()).toHaveLength(1);
  });

  it.each(['CreateLogGroup', 'CreateLogStream'])('that may not be begun is told: %s', async (name) => {
    const { writer, written } = logOf(0, { [name]: 'AccessDeniedException' });
    writer.write('one');
    await expect(writer.close()).rejects.toMatchObject({ name: 'AccessDeniedException' });
    expect(written()).toEqual([]);
  });

  it('that cannot be written is told at its end, and ends nothing before', async () => {
    const send = vi.fn(() => Promise.reject(new Error('CloudWatch is away')));
    const writer = new LogWriter({ send } as unknown as CloudWatchLogsClient, 'job/algo-1', 0);
    writer.write('one');
    await vi.waitUntil(() => send.mock.calls.length > 0);
    // An error that nobody listens for would end the process now.
    await turn();
    writer.write('two');
    await expect(writer.close()).rejects.toThrow('CloudWatch is away');
  });
});
