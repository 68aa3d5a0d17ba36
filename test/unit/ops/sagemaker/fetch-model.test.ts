import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { S3Store } from '../../../../src/aws/s3-store.js';
import { readSegments, sizeOf } from '../../../../src/ops/archive/segments.js';
import { tarSegments } from '../../../../src/ops/archive/tar.js';
import { fetchModel } from '../../../../src/ops/sagemaker/fetch-model.js';

let project: string;
beforeEach(() => {
  project = mkdtempSync(join(tmpdir(), 't2i-fetch-'));
});
afterEach(() => rmSync(project, { recursive: true }));

const signal = new AbortController().signal;
const FILES = { 'run.json': '{}', 'options.json': '{}', 'best/unet/config.json': '{"a": 1}' };
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
const recordOf = (files: Record<string, string>) =>
  JSON.stringify({
    formatVersion: 1,
    result: { status: 'finished', run: 'runs/one' },
    files: Object.fromEntries(
      Object.entries(files).map(([name, text]) => [name, { bytes: text.length, sha256: sha256(text) }]),
    ),
  });

async function packed(files: Record<string, string>): Promise<Buffer> {
  const segments = tarSegments(Object.entries(files).map(([name, text]) => ({ name, content: Buffer.from(text) })));
  const chunks: Buffer[] = [];
  for await (const chunk of readSegments(segments, 0, sizeOf(segments), signal)) chunks.push(chunk);
  return gzipSync(Buffer.concat(chunks));
}

function fetchFrom(archive: Buffer, run = 'one') {
  const store = { open: async () => ({ body: Readable.from([archive]), bytes: archive.length }) } as unknown as S3Store;
  const job = {
    TrainingJobName: 't2i-one',
    HyperParameters: { t2i_run: run },
    ModelArtifacts: { S3ModelArtifacts: 's3://flowers/out/model.tar.gz' },
  };
  return fetchModel(project, job as never, store, [], signal);
}
const entries = () => readdirSync(join(project, 'runs'));

describe('the model of a job', () => {
  it('becomes a run of the project', async () => {
    const archive = await packed({ ...FILES, 't2i-job.json': recordOf(FILES) });
    expect(await fetchFrom(archive)).toEqual({ status: 'finished', run: 'runs/one' });
    expect(readFileSync(join(project, 'runs/one/best/unet/config.json'), 'utf8')).toBe('{"a": 1}');
    expect(entries()).toEqual(['one']);
    expect(await fetchFrom(archive)).toMatchObject({ status: 'finished' });
  });

  it.each<[string, Record<string, string>, RegExp]>([
    [
      'with a file that was changed',
      { ...FILES, 'run.json': '{"better": 1}', 't2i-job.json': recordOf(FILES) },
      /1 files/,
    ],
    ['with a file more', { ...FILES, more: 'x', 't2i-job.json': recordOf(FILES) }, /1 files/],
    ['with a file less', { 'run.json': '{}', 't2i-job.json': recordOf(FILES) }, /2 files/],
    ['without a record', FILES, /no t2i-job\.json/],
    ['with a record that is none', { ...FILES, 't2i-job.json': '[]' }, /no t2i-job\.json/],
    ['that leads out of the folder', { '../../evil': 'x', 't2i-job.json': recordOf({}) }, /leads out of the folder/],
  ])('%s is refused, and leaves nothing', async (_, files, message) => {
    await expect(fetchFrom(await packed(files))).rejects.toMatchObject({
      code: 'DOWNLOAD_INVALID',
      message: expect.stringMatching(message),
    });
    expect(entries()).toEqual([]);
    expect(readdirSync(project)).toEqual(['runs']);
  });

  it('that is cut off or no gzip file is refused', async () => {
    const archive = await packed({ ...FILES, 't2i-job.json': recordOf(FILES) });
    for (const bytes of [archive.subarray(0, archive.length - 20), Buffer.from('nothing of the kind')])
      await expect(fetchFrom(bytes)).rejects.toMatchObject({ code: 'DOWNLOAD_INVALID' });
    expect(entries()).toEqual([]);
  });

  it('does not replace a run that was trained here', async () => {
    mkdirSync(join(project, 'runs/one'), { recursive: true });
    writeFileSync(join(project, 'runs/one/options.json'), '{}');
    const archive = await packed({ ...FILES, 't2i-job.json': recordOf(FILES) });
    await expect(fetchFrom(archive)).rejects.toMatchObject({
      code: 'OPTION_INVALID',
      hint: expect.stringContaining('--run'),
    });
    expect(existsSync(join(project, 'runs/one/run.json'))).toBe(false);
  });

  it('of a job whose run is no name is not fetched', async () => {
    await expect(fetchFrom(await packed({}), '../evil')).rejects.toMatchObject({ code: 'DOWNLOAD_INVALID' });
  });
});
