import { setImmediate as turn } from 'node:timers/promises';
import type { CloudWatchLogsClient } from '@aws-sdk/client-cloudwatch-logs';
import { expect, it, vi } from 'vitest';
import { LogWriter } from '../../../../src/ops/sagemaker/local/log-writer.js';

it('a log that cannot be written is told at its end, and ends nothing before', async () => {
  const send = vi.fn(() => Promise.reject(new Error('CloudWatch is away')));
  const writer = new LogWriter({ send } as unknown as CloudWatchLogsClient, 'job/algo-1', 0);
  writer.write('one');
  await vi.waitUntil(() => send.mock.calls.length > 0);
  // An error that nobody listens for would end the process now.
  await turn();
  writer.write('two');
  await expect(writer.close()).rejects.toThrow('CloudWatch is away');
});
