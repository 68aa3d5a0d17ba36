import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { expect, it, vi } from 'vitest';
import type { S3Store } from '../../../../src/aws/s3-store.js';
import { CheckpointSync } from '../../../../src/ops/sagemaker/local/checkpoint-sync.js';

it('checkpoints that cannot be sent are told at the end, and end nothing before', async () => {
  const folder = mkdtempSync(join(tmpdir(), 't2i-checkpoints-'));
  const write = vi.fn(() => Promise.reject(new Error('S3 is away')));
  const store = { write, remove: async () => {}, async *list() {} } as unknown as S3Store;
  const sync = new CheckpointSync(store, folder, { bucket: 'flowers', key: 'checkpoints' }, 1);
  await sync.start(new AbortController().signal);
  writeFileSync(join(folder, 'step-1'), 'weights');
  await vi.waitUntil(() => write.mock.calls.length > 0);
  // An error that nobody listens for would end the process now.
  await turn();
  await expect(sync.stop()).rejects.toThrow('S3 is away');
  rmSync(folder, { recursive: true });
});
